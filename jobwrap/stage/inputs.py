"""Fetch the inputs that are not on the node."""

from __future__ import annotations

import os

from jobwrap.stage.plan import Staging
from jobwrap.transfer.fetch import Fetched, Fetching, Wanted, probe_all
from jobwrap.transfer.options import Options


def fetch_inputs(staging: Staging, scratch: str, options: Options) -> list[Fetched]:
    """Fetches them all into `scratch`; JobwrapError input.* for the first that cannot be had.

    An exception, a signal's too, ends the others and leaves nothing partial.
    """
    fetching = Fetching(_wanted(staging, scratch), options)
    try:
        return fetching.wait(lambda: False)
    except BaseException:
        fetching.cancel()
        raise


def probe_inputs(staging: Staging, options: Options) -> None:
    """Asks whether the files could be fetched, and writes nothing; JobwrapError input.* if not."""
    probe_all(_wanted(staging, "/"), options)


def _wanted(staging: Staging, scratch: str) -> list[Wanted]:
    return [
        Wanted(each.name, each.places, each.checksum, os.path.join(scratch, each.name), each.unpack)
        for each in staging.wanted
    ]

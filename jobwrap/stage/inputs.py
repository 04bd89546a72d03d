"""Fetch the inputs that are not on the node."""

from __future__ import annotations

import os
from collections.abc import Callable

from jobwrap.job.spec import Job
from jobwrap.node.slot import Slot
from jobwrap.stage.plan import Staging
from jobwrap.transfer.fetch import Came, Fetching, Wanted, probe_all
from jobwrap.transfer.options import Options
from jobwrap.transfer.progress import Progress

_LOOK = 2.0  # seconds for a walk over scratch, which holds little before the task


def fetch_inputs(
    staging: Staging,
    scratch: str,
    options: Options,
    came: Came,
    progress: Callable[[Progress], None] | None = None,
) -> None:
    """Fetches them all, into `scratch` or the node's cache; JobwrapError input.* for the first that fails.

    An exception, a signal's too, ends the others and leaves nothing partial. `came` gets those that came,
    also then.
    """
    fetching = Fetching(_wanted(staging, scratch), _without_dead_cache(staging, options), came)
    fetching.progress = progress
    try:
        fetching.wait()
    finally:
        fetching.cancel()


def probe_inputs(staging: Staging, options: Options) -> None:
    """Asks whether the files could be fetched, and writes nothing; JobwrapError input.* if not."""
    probe_all(_wanted(staging, "/"), _without_dead_cache(staging, options))


def room_left(job: Job, slot: Slot) -> int | None:
    """Bytes that scratch may still grow by: what was granted, else asked for, less what lies there.

    None where nobody says.
    """
    granted = slot.disk or job.disk
    if granted is None:
        return None
    from jobwrap.launch.usage.scratch import Scratch

    return max(0, granted - (Scratch(job.scratch).look(_LOOK) or 0))


def _without_dead_cache(staging: Staging, options: Options) -> Options:
    return options._replace(cache="") if staging.no_cache else options


def _wanted(staging: Staging, scratch: str) -> list[Wanted]:
    return [
        Wanted(
            each.name,
            each.places,
            each.checksum,
            os.path.join(scratch, each.name),
            each.unpack,
            staging.sharing and not each.unpack,
            staging.skipped.get(each.name, ()),
        )
        for each in staging.wanted
    ]

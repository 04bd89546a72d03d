"""What of a job's inputs the node's cache has already: bound from there, as what else is on the node."""

from __future__ import annotations

import os
from collections.abc import Mapping

from jobwrap.job.spec import Input, Job
from jobwrap.node.probe import Hung, ask
from jobwrap.settings import Settings
from jobwrap.stage.plan import Staging
from jobwrap.transfer.fetch import Fetched, find_cached
from jobwrap.transfer.options import Options, options_of
from jobwrap.transfer.url import redact

_MOST_BINDS = 1000  # of one container: they stand on the runtime's command line


def by_cache(staging: Staging, job: Job, settings: Settings, environ: Mapping[str, str]) -> Staging:
    """The staging with those of its wanted inputs that the cache has, held as long as this process lives.

    Nothing is bound for a task without a container: it could change what others read.
    """
    digests = {
        each.name: each.checksum[1] for each in staging.wanted if each.checksum and _can_be_cached(each)
    }
    try:
        there, fillable = ask(
            _there, settings.cache, digests, deadline=settings.deadline, what=settings.cache
        )
    except (Hung, OSError, RuntimeError) as error:
        reason = f"the node's cache {settings.cache} is not used: {error}"
        return staging._replace(no_cache=reason, reasons=(*staging.reasons, reason))
    if job.here or len(staging.wanted) > _MOST_BINDS:
        return staging
    options = options_of(settings, environ)
    found = [
        _hold(each, staging, options) for each in staging.wanted if each.name in there and not each.unpack
    ]
    cached = tuple(each for each in found if each)
    names = {each.name for each in cached}
    wanted = tuple(each for each in staging.wanted if each.name not in names)
    return staging._replace(
        wanted=wanted,
        cached=cached,
        sharing=fillable and any(not each.unpack and _can_be_cached(each) for each in wanted),
        reasons=(*staging.reasons, *(f"input {each.name}: {each.path} is bound" for each in cached)),
    )


def _can_be_cached(each: Input) -> bool:
    """Without a checksum it is found by its URL, if its server says that it did not change."""
    return each.checksum is None or each.checksum[0] == "sha256"


def _there(folder: str, digests: Mapping[str, str]) -> tuple[list[str], bool]:
    """Names of those that a cache in `folder` seems to have, and whether we may add to it.

    Asked in a child, since it may hang.
    """
    tops = (folder, os.path.join(folder, f"u{os.getuid()}"))
    found = [name for name, digest in digests.items() if any(_lies_in(top, digest) for top in tops)]
    return found, any(os.access(top, os.W_OK) for top in tops)


def _lies_in(top: str, digest: str) -> bool:
    return os.path.exists(os.path.join(top, "objects", digest[:2], digest[2:]))


def _hold(each: Input, staging: Staging, options: Options) -> Fetched | None:
    assert each.checksum
    found = find_cached(each.checksum[1], options)
    if found is None:
        return None
    path, size = found
    source, skipped = redact(each.places[0]), staging.skipped.get(each.name, ())
    return Fetched(each.name, source, size, 0.0, 0, each.checksum, "hit", skipped, path)

"""An image that lies elsewhere, brought to this node: once for all its slots where it has a cache.

A file is fetched as an input is (transfer/). What a registry has is pulled by the container runtime
into a SIF file, since only that knows layers, signatures and logins; the cache keeps it by its
content. Credentials come from the job's or the site's environment, never by an argument.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.image.choose import Image, check_program, planned_path
from jobwrap.image.runtimepull import DEADLINE, pull
from jobwrap.image.trust import PULLS, name_for
from jobwrap.job.spec import Job
from jobwrap.node.survey import Node
from jobwrap.settings import Settings

if TYPE_CHECKING:
    from jobwrap.transfer.cache import Cache, Claim, Held

_FRESH = 24 * 3600.0  # seconds that a tag is believed to mean what it meant when it was pulled
_NAP = 0.2


class Came(NamedTuple):
    """sha256 of the SIF file, how it came, and the digest that its registry has for it, "" for none."""

    sha256: str
    how: str
    digest: str = ""


def bring(image: Image, job: Job, node: Node, settings: Settings, environ: Mapping[str, str]) -> Image:
    """The chosen image, lying where it was planned to; its needs are read and judged as those of any other.

    JobwrapError image.not_found, image.unreachable, image.broken, image.needs_*, site.scratch.
    """
    if not image.pull:
        return image
    place = planned_path(job)
    os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
    if re.match(r"(?:docker|oras|library|shub)://", image.pull):
        came = _from_registry(image.pull, place, node, settings, environ)
    else:
        came = _from_file(image.pull, place, settings, environ)
    said = [f"{image.asked} was {came.how}"]
    if came.digest and came.digest not in image.asked:
        said.insert(0, f"{image.asked} is {came.digest} at its registry now")
    image = image._replace(
        pull="", content_id=came.sha256, digest=came.digest, reasons=(*image.reasons, *said)
    )
    return _judged(image, job, node, settings)


def _judged(image: Image, job: Job, node: Node, settings: Settings) -> Image:
    from jobwrap.image.candidate import check
    from jobwrap.image.files import Files
    from jobwrap.image.looker import Looker
    from jobwrap.image.sif import needs_of_file
    from jobwrap.image.view import view_of

    needs = needs_of_file(Files(view_of(("/", "/"))), image.path, image.asked)
    ignored = check(Looker(job, node, settings, "/"), image.asked, needs)
    image = image._replace(needs=needs, reasons=(*image.reasons, *ignored))
    return check_program(image, job, node, settings)


def _from_file(place: str, path: str, settings: Settings, environ: Mapping[str, str]) -> Came:
    """A SIF file behind a URL, which may end in #sha256:HEX."""
    from jobwrap.transfer.fetch import Wanted, fetch_all, options_of

    url, _, digest = place.partition("#sha256:")
    wanted = Wanted("the image", (url,), ("sha256", digest) if digest else None, path, shared=True)
    try:
        fetched = fetch_all([wanted], options_of(settings, environ))[0]
    except JobwrapError as error:
        raise _as_image(error, place) from error
    if fetched.path != path:
        _link(fetched.path, path)
    way = "in this node's cache" if fetched.cache == "hit" else f"fetched in {fetched.seconds:.0f} s"
    return Came(fetched.checksum[1] if fetched.checksum else "", way)


def _as_image(error: JobwrapError, image: str) -> JobwrapError:
    """A failure of an input, as one of the image."""
    name, facts = error.failure.name, error.facts
    problem = str(facts.get("places", error.sentence))
    if name == "input.not_found":
        return JobwrapError("image.not_found", image=image, near=f" ({problem})")
    if name == "input.unreachable":
        return JobwrapError("image.unreachable", image=image, problem=problem)
    if name == "input.checksum":
        return JobwrapError("image.broken", image=image, problem="it does not have the checksum asked for")
    if name == "input.scheme":
        problem = f"{facts.get('scheme')}: cannot be fetched"
        return JobwrapError("image.unsupported", image=image, problem=problem)
    return error


def _from_registry(
    reference: str, path: str, node: Node, settings: Settings, environ: Mapping[str, str]
) -> Came:
    from jobwrap.transfer import checksum
    from jobwrap.transfer.cache import open_caches

    rules = (settings.cache_quota, settings.cache_owners)
    caches = open_caches(settings.cache, *rules) if settings.cache else []
    name = name_for(reference, environ, PULLS)
    found = _cached(caches, name)
    if found:
        held, digest = found
        _link(held.path, path)
        return Came(held.digest, "in this node's cache", digest)
    if not caches or not caches[-1].ours:
        pinned, digest = _pinned(reference, settings, environ)
        seconds = pull(pinned, path, node, environ)
        return Came(checksum.of_file(path, "sha256"), f"pulled in {seconds:.0f} s", digest)
    held, came = _pull_once(caches[-1], reference, node, settings, environ)
    _link(held.path, path)
    return came


def _pinned(reference: str, settings: Settings, environ: Mapping[str, str]) -> tuple[str, str]:
    """What to pull, and the digest that it has at its registry, "" where that is not told."""
    if not reference.startswith("docker:"):
        return reference, ""
    from jobwrap.image.registry import pin

    return pin(reference, settings, environ)


def _cached(caches: list[Cache], name: str) -> tuple[Held, str] | None:
    """What was pulled under this name, held, and its digest; a tag only for a day, since it may be moved."""
    from jobwrap.transfer.cache import of_url

    pinned = "@sha256:" in name
    for cache in caches:
        known = cache.known(name)
        if not known:
            continue
        age = time.time() - os.stat(os.path.join(cache.folder, "urls", of_url(name))).st_mtime
        found = cache.find(known[0]) if pinned or age < _FRESH else None
        if found:
            return found, known[1]
    return None


def _pull_once(
    cache: Cache, reference: str, node: Node, settings: Settings, environ: Mapping[str, str]
) -> tuple[Held, Came]:
    """Pulls, unless another slot does so already: that is waited for."""
    from jobwrap.transfer import checksum
    from jobwrap.transfer.cache import of_url

    name = name_for(reference, environ, PULLS)
    end = time.monotonic() + DEADLINE
    while (claim := cache.claim(of_url(name))) is None:
        if time.monotonic() > end:
            problem = f"another slot of this node did not finish its pull within {DEADLINE:g} s"
            raise JobwrapError("image.unreachable", image=reference, problem=problem)
        time.sleep(_NAP)
    found = _cached([cache], name)  # by whoever was waited for
    if found:
        claim.drop()
        held, digest = found
        return held, Came(held.digest, "pulled by another slot of this node", digest)
    pulled = os.path.join(cache.folder, "pulling", f"{of_url(name)}.sif")
    os.makedirs(os.path.dirname(pulled), exist_ok=True)
    try:
        pinned, digest = _pinned(reference, settings, environ)
        seconds = pull(pinned, pulled, node, environ)
        sha256 = checksum.of_file(pulled, "sha256")
        claim = _moved_in(cache, claim, pulled)
    except BaseException:
        claim.drop()
        raise
    held = claim.keep(sha256)
    cache.note(name, held.digest, digest)
    return held, Came(held.digest, f"pulled in {seconds:.0f} s", digest)


def _moved_in(cache: Cache, claim: Claim, pulled: str) -> Claim:
    """The runtime made a file of its own: it takes the place of the claim's, with a lock of its own."""
    from jobwrap.transfer.cache import Claim

    file = os.open(pulled, os.O_RDWR | os.O_CLOEXEC)
    fcntl.flock(file, fcntl.LOCK_EX)
    os.rename(pulled, claim.path)
    os.close(claim.file)
    return Claim(cache, claim.path, file)


def _link(target: str, path: str) -> None:
    """A link at `path`, in place of one that an earlier try left there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    os.symlink(target, path)

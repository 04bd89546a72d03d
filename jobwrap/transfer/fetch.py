"""Fetch files, many at once: the door of this room for all who want one.

The work is done in a forked child (apart.py, crew.py), which keeps the threads, buffers and imports
of a transfer out of the wrapper, can be abandoned when a mount hangs, and ends with one kill.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from jobwrap.transfer.apart import Link
from jobwrap.transfer.deliver import deliver
from jobwrap.transfer.options import Options, options_of
from jobwrap.transfer.parts import prefix, remove_parts
from jobwrap.transfer.progress import Progress
from jobwrap.transfer.work import Cancelled, Work

# What the other rooms import from here.
__all__ = ["Cancelled", "Fetched", "Fetching", "Options", "Wanted", "deliver", "options_of"]

DEFAULTS = Options()


class Wanted(NamedTuple):
    """A file that is wanted at `path`, absolute, in a folder that is there or can be made.

    places    URLs or absolute paths, tried in this order
    checksum  (algorithm, hex digest), or None where any content is right
    unpack    the file is an archive, and `path` is to be the folder of what is in it
    shared    the caller binds the file read-only and needs none of his own at `path`: the cache's may serve
    skipped   (place, why) of those that were left out beforehand, for the record
    """

    name: str
    places: tuple[str, ...]
    checksum: tuple[str, str] | None
    path: str
    unpack: bool = False
    shared: bool = False
    skipped: tuple[tuple[str, str], ...] = ()


class Fetched(NamedTuple):
    """How a wanted file came: bytes, seconds from the first try, tries at all places together.

    source    the place it came from, without userinfo and the values of a query
    checksum  (algorithm, hex digest) of what arrived
    cache     "" without the node's cache, else "hit" or "miss"
    skipped   (place, why) of those that did not give it
    path      where it lies: at the path that was asked for, or in the cache, where this process then
              holds it against eviction for as long as it lives
    """

    name: str
    source: str
    bytes: int
    seconds: float
    attempts: int
    checksum: tuple[str, str] | None
    cache: str
    skipped: tuple[tuple[str, str], ...]
    path: str


def fetch_all(
    wanted: Sequence[Wanted],
    options: Options = DEFAULTS,
    cancelled: Callable[[], bool] | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> list[Fetched]:
    """Fetch all of them and return when the last is in place, in the order of `wanted`.

    The first that finally fails ends the others: JobwrapError input.…, policy.forbidden or site.scratch.
    Cancelled when `cancelled()` became true, which is asked ten times a second. No partial file is left
    either way. `progress` is called about once a second.
    """
    if not wanted:
        return []
    fetching = Fetching(wanted, options)
    fetching.progress = progress
    return fetching.wait(cancelled)


def find_cached(digest: str, options: Options) -> tuple[str, int] | None:
    """Path and size of the file with this sha256 in the node's cache, None without one; none of it is read.

    It is to be bound read-only; this process holds it against eviction for as long as it lives.
    """
    from jobwrap.transfer.cache import open_caches

    for cache in open_caches(options.cache, options.cache_quota, options.cache_owners):
        try:
            held = cache.find(digest)
        except OSError:
            continue  # a cache that cannot be read has nothing
        if held:
            _held.append(held.file)
            return held.path, held.size
    return None


def probe_all(wanted: Sequence[Wanted], options: Options = DEFAULTS) -> None:
    """Ask for each whether it could be fetched, read none and write nothing; JobwrapError as fetch_all."""
    if wanted:
        Probing(_probe, wanted, options).wait()


class Fetching(Work[list[Fetched]]):
    """Files on their way; `fetched` are those that are there, also after a failure."""

    def __init__(self, wanted: Sequence[Wanted], options: Options = DEFAULTS) -> None:
        self._wanted = wanted
        self._prefix = prefix()
        self._parts = [
            os.path.join(os.path.dirname(one.path), f"{self._prefix}{index}.part")
            for index, one in enumerate(wanted)
        ]
        self._fetched: dict[int, Fetched] = {}
        super().__init__(_fetch, wanted, self._parts, options)

    def take(self, kind: str, told: tuple[Any, ...]) -> None:
        self._fetched[told[0]] = fetched = Fetched(*told[1])
        if fetched.path != self._wanted[told[0]].path:
            _hold(fetched.path)

    @property
    def fetched(self) -> list[Fetched]:
        return [one for _, one in sorted(self._fetched.items())]

    def result(self) -> list[Fetched]:
        return self.fetched

    def clean(self) -> None:
        for folder in {os.path.dirname(part) for part in self._parts}:
            remove_parts(folder, self._prefix)


class Probing(Work[bool]):
    """A question about files, answered by True or a JobwrapError."""

    def take(self, kind: str, told: tuple[Any, ...]) -> None:
        pass

    def result(self) -> bool:
        return True


def _fetch(link: Link, *args: Any) -> None:
    from jobwrap.transfer import inbound  # in the child: nothing of it stays with the wrapper

    inbound.fetch(link, *args)


def _probe(link: Link, *args: Any) -> None:
    from jobwrap.transfer import inbound

    inbound.probe(link, *args)


_held: list[int] = []  # closed by the end of this process


def _hold(path: str) -> None:
    """Take over the lock on a file of the cache, while the child still has it."""
    import fcntl

    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    _held.append(file)

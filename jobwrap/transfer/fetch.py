"""Fetch files, many at once: the door of this room for all who want one.

The work is done in a forked child (apart.py, crew.py), which keeps the threads, buffers and imports
of a transfer out of the wrapper, can be abandoned when a mount hangs, and ends with one kill.
"""

from __future__ import annotations

import itertools
import marshal
import os
from collections.abc import Callable, Iterator, Sequence
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
_AT_ONCE = 128  # files of thousands that came, as objects


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


class Came:
    """Files that have come, in the order in which they were wanted; many are kept small."""

    def __init__(self) -> None:
        self._new: dict[int, tuple[Any, ...]] = {}
        self._packed: list[bytes] = []
        self._count = 0

    def take(self, index: int, fetched: tuple[Any, ...]) -> None:
        """One more, by its place among those that were wanted."""
        self._new[index] = fetched
        self._count += 1
        if len(self._new) >= _AT_ONCE:
            self._packed.append(marshal.dumps(self._new))
            self._new = {}  # a signal that comes before this leaves some twice

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Fetched]:
        """They come about in their order: what waits here for one that is missing are few."""
        waiting: dict[int, tuple[Any, ...]] = {}
        at = 0
        for some in itertools.chain(map(marshal.loads, self._packed), [self._new]):
            waiting.update(some)
            while at in waiting:
                yield Fetched(*waiting.pop(at))
                at += 1
        yield from (Fetched(*waiting[index]) for index in sorted(waiting) if index > at)


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
    return list(fetching.wait(cancelled))


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


class Fetching(Work[Came]):
    """Files on their way; `came` gets those that are there, also before a failure."""

    def __init__(
        self, wanted: Sequence[Wanted], options: Options = DEFAULTS, came: Came | None = None
    ) -> None:
        # Not `wanted` itself: of thousands only those that have come are kept here.
        self._folders = {os.path.dirname(one.path) for one in wanted}
        self._prefix = prefix()
        self._came = Came() if came is None else came
        super().__init__(_fetch, wanted, self._prefix, options)

    def take(self, kind: str, told: tuple[Any, ...]) -> None:
        index, fetched, in_cache = told
        self._came.take(index, fetched)
        if in_cache:
            _hold(Fetched(*fetched).path)

    def result(self) -> Came:
        return self._came

    def clean(self) -> None:
        for folder in self._folders:
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

"""Fetch files, many at once: the door of this room for all who want one.

The work is done in a forked child (apart.py, crew.py), which keeps the threads, buffers and imports
of a transfer out of the wrapper, can be abandoned when a mount hangs, and ends with one kill.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.transfer.apart import Child
from jobwrap.transfer.deliver import deliver
from jobwrap.transfer.options import Options, options_of

# What the other rooms import from here.
__all__ = ["Options", "deliver", "options_of"]

DEFAULTS = Options()


class Wanted(NamedTuple):
    """A file that is wanted at `path`, absolute, in a folder that is there or can be made.

    places    URLs or absolute paths, tried in this order
    checksum  (algorithm, hex digest), or None where any content is right
    unpack    the file is an archive, and `path` is to be the folder of what is in it
    shared    the caller binds the file read-only and needs none of his own at `path`: the cache's may serve
    """

    name: str
    places: tuple[str, ...]
    checksum: tuple[str, str] | None
    path: str
    unpack: bool = False
    shared: bool = False


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


class Cancelled(Exception):
    """The caller wanted it no more."""


def _never() -> bool:
    return False


def fetch_all(
    wanted: Sequence[Wanted], options: Options = DEFAULTS, cancelled: Callable[[], bool] = _never
) -> list[Fetched]:
    """Fetch all of them and return when the last is in place, in the order of `wanted`.

    The first that finally fails ends the others: JobwrapError input.… or site.scratch. Cancelled when
    `cancelled()` became true, which is asked ten times a second. No partial file is left either way.
    """
    return Fetching(wanted, options).wait(cancelled) if wanted else []


def probe_all(wanted: Sequence[Wanted], options: Options = DEFAULTS) -> None:
    """Ask for each whether it could be fetched, read none and write nothing; JobwrapError as fetch_all."""
    if wanted:
        Fetching(wanted, options, probing=True).wait(_never)


class Fetching:
    """Files on their way. For a caller with other things to wait for: fileno() and read() beside wait()."""

    def __init__(self, wanted: Sequence[Wanted], options: Options, probing: bool = False) -> None:
        from jobwrap.transfer import crew  # only who fetches pays for it

        self._wanted = wanted
        self._parts = [_part_of(one.path, index) for index, one in enumerate(wanted)]
        self._paths = {one.path for one in wanted} | {""}
        self._fetched: dict[int, Fetched] = {}
        self._child: Child | None = Child(crew.work, wanted, self._parts, options, probing)

    def fileno(self) -> int:
        """Readable when read() has something to do."""
        assert self._child
        return self._child.fileno()

    def wait(self, cancelled: Callable[[], bool]) -> list[Fetched]:
        """All of them; whatever is raised on the way, from a signal's handler too, ends the transfers."""
        try:
            while (done := self.read(0.1)) is None:
                if cancelled():
                    raise Cancelled
            return done
        finally:
            self.cancel()

    def read(self, seconds: float = 0.0) -> list[Fetched] | None:
        """Take in what is new, waiting up to `seconds`; the whole list once the last is in place."""
        assert self._child
        messages = self._child.messages(seconds)
        if messages is None:
            raise JobwrapError("jobwrap.bug", problem="the process that fetches inputs was killed")
        for kind, *rest in messages:
            if kind == "fetched":
                self._fetched[rest[0]] = fetched = Fetched(*rest[1])
                self._hold(fetched)
            elif kind == "failed":
                raise JobwrapError(rest[0], **rest[1])
            elif kind == "over":
                return [self._fetched[index] for index in range(len(self._wanted))]
        return None

    def cancel(self) -> None:
        """End it now and leave nothing partial; to be called however it went."""
        if self._child is None:
            return
        self._child.end()
        self._child = None
        for folder in {os.path.dirname(part) for part in self._parts}:
            _remove_parts(folder)

    def _hold(self, fetched: Fetched) -> None:
        """Take over the lock on the cache's file, while the child still has it."""
        if fetched.path in self._paths:
            return
        import fcntl

        file = os.open(fetched.path, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        _held.append(file)


_held: list[int] = []  # open, and closed by the end of this process


def _part_of(path: str, index: int) -> str:
    """The name of a file while it comes: short, since NAME_MAX counts, and nobody else's."""
    return os.path.join(os.path.dirname(path), f"{_prefix()}{index}.part")


def _prefix() -> str:
    return f".jobwrap-{os.getpid()}-"


def _remove_parts(folder: str) -> None:
    try:
        left = [name for name in os.listdir(folder) if name.startswith(_prefix())]
    except OSError:
        return  # it was never made
    for name in left:
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            import shutil

            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)

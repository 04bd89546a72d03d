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
    """

    name: str
    places: tuple[str, ...]
    checksum: tuple[str, str] | None
    path: str


class Fetched(NamedTuple):
    """How a wanted file came: bytes, seconds from the first try, tries at all places together.

    source    the place it came from, without userinfo and the values of a query
    checksum  (algorithm, hex digest) of what arrived
    cache     "" without the node's cache, else "hit" or "miss"
    skipped   (place, why) of those that did not give it
    """

    name: str
    source: str
    bytes: int
    seconds: float
    attempts: int
    checksum: tuple[str, str] | None
    cache: str
    skipped: tuple[tuple[str, str], ...]


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
                self._fetched[rest[0]] = Fetched(*rest[1])
            elif kind == "failed":
                raise JobwrapError(rest[0], **rest[1])
            elif kind == "over":
                return [self._fetched[index] for index in range(len(self._wanted))]
        return None

    def cancel(self) -> None:
        """End it now and leave nothing partial; to be called however it went."""
        if self._child:
            self._child.end()
            self._child = None
        for part in self._parts:
            try:
                os.unlink(part)
            except OSError:
                pass  # most are not there; a folder that cannot be written holds none


def _part_of(path: str, index: int) -> str:
    """The name of a file while it comes: short, since NAME_MAX counts, and nobody else's."""
    return os.path.join(os.path.dirname(path), f".jobwrap-{os.getpid()}-{index}.part")

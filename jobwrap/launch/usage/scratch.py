"""How much lies in the scratch folder: a walk over it in many short pieces.

It follows no link and enters no other file system, not even to ask for its size: what the task mounted
there may hang.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator

from jobwrap.node import files, mounts

_BLOCK = 512  # of st_blocks, whatever the file system's own
_AT_ONCE = 16  # entries between two looks at the clock
_LINKED = 10_000  # files with several names that are remembered, so that they count once
_WAITING = 20_000  # folders still to be entered; with more the walk is given up


class _TooMany(Exception):
    """The folder cannot be walked over without much memory."""


class Scratch:
    """The walk over one folder, begun anew as often as it comes to its end.

    bytes  on disk, as du counts them, by the last whole walk; None before the first has ended
    """

    def __init__(self, path: str) -> None:
        self._path = os.path.realpath(path)
        self._sizes: Iterator[int] | None = None
        self._so_far = 0
        self._given_up = False
        self.bytes: int | None = None

    def look(self, seconds: float) -> int | None:
        """Goes on with the walk for about so long, at most to its end; the bytes."""
        if self._given_up:
            return None
        try:
            self._go_on(time.perf_counter() + seconds)
        except OSError:
            self._sizes = None  # the folder is gone, or cannot be read for now
        except _TooMany:
            self._given_up, self._sizes, self.bytes = True, None, None
        return self.bytes

    def stop(self) -> None:
        """Keeps no folder open."""
        self._given_up, self._sizes = True, None

    def _go_on(self, end: float) -> None:
        if self._sizes is None:
            self._sizes, self._so_far = _walk(self._path), 0
        while True:
            for _ in range(_AT_ONCE):
                size = next(self._sizes, None)
                if size is None:
                    self._sizes, self.bytes = None, self._so_far
                    return
                self._so_far += size
            if time.perf_counter() >= end:
                return


def _walk(top: str) -> Iterator[int]:
    """The bytes of one entry after the other, 0 for what does not count; OSError if there is no `top`."""
    status = os.lstat(top)
    device, mounted = status.st_dev, _mount_points()
    seen: set[int] = set()
    folders = [(top, status.st_ino)]
    yield status.st_blocks * _BLOCK
    while folders:
        folder, number = folders.pop()
        for entry in _entries(folder, device, number):
            path = f"{folder}/{entry.name}"
            found = None if path in mounted else _status(entry)
            if found is None or found.st_dev != device or found.st_ino in seen:
                yield 0
                continue
            if stat.S_ISDIR(found.st_mode):
                folders.append((path, found.st_ino))
                if len(folders) > _WAITING:
                    raise _TooMany
            elif found.st_nlink > 1 and len(seen) < _LINKED:
                seen.add(found.st_ino)
            yield found.st_blocks * _BLOCK


def _entries(folder: str, device: int, number: int) -> Iterator[os.DirEntry[str]]:
    """What is in a folder, if that is still the one that was listed, and no link in its place."""
    try:
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        status = os.fstat(opened)
        if (status.st_dev, status.st_ino) == (device, number):
            with os.scandir(opened) as listing:
                yield from listing
    except OSError:
        pass  # it was removed meanwhile
    finally:
        os.close(opened)


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except OSError:
        return None


def _mount_points() -> set[str]:
    """Of this mount namespace; source: proc(5), /proc/PID/mountinfo."""
    lines = files.text("/proc/self/mountinfo").splitlines()
    return {mounts.unescaped(line.split()[4]) for line in lines}

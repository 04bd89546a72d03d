"""Room on a disk that is taken beforehand, so that a full one cannot stop the record's last word.

A few files whose blocks are there already: one is written in place and renamed, which needs no room.
On a file system that copies on write (ZFS, Btrfs) that is likely, not certain.
"""

from __future__ import annotations

import os

SIZE = 64 << 10  # bytes; a record of hundreds of transfers
_COUNT = 4
_FOR_THE_LAST = 2  # the last word goes to the control folder where it cannot go where it should


class Reserve:
    """The reserved files PREFIX.reserved0 and so on, for renames on the file system that they lie on."""

    def __init__(self, prefix: str) -> None:
        self._files: list[str] = []
        for path in (f"{prefix}.reserved{number}" for number in range(_COUNT)):
            self._files.append(path)
            try:
                file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW, 0o644)
                try:
                    os.posix_fallocate(file, 0, SIZE)
                finally:
                    os.close(file)
            except OSError:  # the disk is full already, or cannot do it
                self._give_back(self._files.pop())
                break

    def take(self, *, last: bool) -> str:
        """The path of a file with SIZE bytes of room, the caller's now; "" for none."""
        if len(self._files) > (0 if last else _FOR_THE_LAST):
            return self._files.pop()
        return ""

    def remove(self) -> None:
        """Gives back what was not needed."""
        while self._files:
            self._give_back(self._files.pop())

    @staticmethod
    def _give_back(path: str) -> None:
        try:
            os.unlink(path)
        except OSError:
            pass  # it is not there, or its folder is gone

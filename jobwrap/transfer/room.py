"""Room on the disk: asked for before bytes come, of the slot's allowance and of the file system."""

from __future__ import annotations

import os

from jobwrap.transfer.threads import Lock
from jobwrap.transfer.trouble import NO_SPACE, Trouble

# Below this a file is not worth a look of its own at the file system.
_SMALL = 1 << 20


class Room:
    """What may still be written; shared by all transfers of one process.

    allowance is in bytes for all of them together, None where only the file system counts.
    """

    def __init__(self, allowance: int | None) -> None:
        self._left = allowance
        self._small = 0
        self._lock = Lock()

    def claim(self, where: int | str, size: int) -> None:
        """`size` more bytes are to go into `where`, an open file or a folder; Trouble if they don't fit."""
        with self._lock:
            if self._left is not None:
                if size > self._left:
                    raise Trouble(NO_SPACE, f"{size} bytes are more than the {self._left} that are allowed")
                self._left -= size
            self._small += size
            if self._small < _SMALL:
                return
            self._small = 0
        seen = os.statvfs(where)
        free = seen.f_bavail * seen.f_frsize
        if size > free:
            raise Trouble(NO_SPACE, f"{size} bytes are more than the {free} that are free")

    def give_back(self, size: int) -> None:
        """Of what was claimed so much was not needed."""
        with self._lock:
            if self._left is not None:
                self._left += size

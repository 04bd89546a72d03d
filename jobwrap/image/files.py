"""Reading an image's files a few bytes at a time: what is not there is None, all of it has a limit.

An error of the file system, such as EIO on a sick CVMFS, is raised with its path: nothing may take
it for a file that is not there.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import TypeVar

from jobwrap.image.elf import At
from jobwrap.image.footprint import footprint
from jobwrap.image.view import View

ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENODEV)  # the last: autofs, which has no such repository
# What the image itself can be blamed for; anything else is the file system's.
ITS_OWN = (*ABSENT, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL)
_BLOCK = 4096  # the ELF header, program headers and notes of nearly every file lie in the first
_MOST = 4 << 20  # of an image, its program and the driver together less than 16 MB

Found = TypeVar("Found")


class Files:
    """The files of a view; whoever made them, no more than `most` bytes are read in all."""

    def __init__(self, view: View, most: int = _MOST) -> None:
        self.view = view
        self.left = most

    def parse(self, seen: str, parser: Callable[[At], Found]) -> Found | None:
        """What `parser` makes of a plain file; None where there is none, or none that it can read."""
        file = self._open(seen)
        if file is None:
            return None
        try:
            return parser(self._reader(file, seen))
        except ValueError:
            return None
        finally:
            os.close(file)

    def text(self, seen: str, limit: int = 1 << 16) -> str:
        """The first `limit` bytes of a file, "" where there is none."""
        block = self.parse(seen, lambda at: at(0, limit))
        return (block or b"").decode(errors="replace")

    def names(self, seen: str) -> list[str]:
        """The sorted names in a folder, none where there is none."""
        try:
            path = self.view.find(seen)
            footprint.step(path)
            return sorted(os.listdir(path))
        except OSError as error:
            if error.errno in ITS_OWN:
                return []
            raise self._told(error, seen) from error

    def is_file(self, seen: str) -> bool:
        """Whether a plain file is at that path, its links followed."""
        try:
            return stat.S_ISREG(os.stat(self.view.find(seen), follow_symlinks=False).st_mode)
        except OSError as error:
            if error.errno in ITS_OWN:
                return False
            raise self._told(error, seen) from error

    def _open(self, seen: str) -> int | None:
        try:
            # Neither a FIFO nor a device is waited on, and no link is followed out of the view.
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
            path = self.view.find(seen)
            footprint.step(path)
            file = os.open(path, flags)
        except OSError as error:
            if error.errno in (*ITS_OWN, errno.ENXIO):  # ENXIO: a socket
                return None
            raise self._told(error, seen) from error
        if stat.S_ISREG(os.fstat(file).st_mode):
            return file
        os.close(file)
        return None

    def _reader(self, file: int, seen: str) -> At:
        """Reads block by block, as what is asked for mostly lies close together."""
        blocks: dict[int, bytes] = {}

        def at(offset: int, size: int) -> bytes:
            if size > _BLOCK * 4:
                return self._read(file, offset, size, seen)
            start = offset - offset % _BLOCK
            found = b""
            for place in range(start, offset + size, _BLOCK):
                if place not in blocks:
                    blocks[place] = self._read(file, place, _BLOCK, seen)
                found += blocks[place]
                if len(blocks[place]) < _BLOCK:
                    break
            return found[offset - start : offset - start + size]

        return at

    def _read(self, file: int, offset: int, size: int, seen: str) -> bytes:
        size = min(size, self.left)
        if size <= 0:
            return b""
        try:
            block = os.pread(file, size, offset)
        except OverflowError:  # a place that no file has
            return b""
        except OSError as error:
            if error.errno == errno.EINVAL:
                return b""
            raise self._told(error, seen) from error
        self.left -= len(block)
        return block

    def _told(self, error: OSError, seen: str) -> OSError:
        return OSError(error.errno, error.strerror, self.view.on_node(seen))

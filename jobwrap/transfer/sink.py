"""A file in the making: written and hashed in one stream, and put in its place only when whole and right."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import Protocol

from jobwrap.transfer import checksum
from jobwrap.transfer.hashing import InLine, hasher
from jobwrap.transfer.trouble import CHECKSUM, NO_SPACE, SCRATCH, Trouble

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class Room(Protocol):
    """Who says whether so many more bytes may be written (room.py, and the cache)."""

    def claim(self, where: int, size: int) -> None: ...
    def give_back(self, size: int) -> None: ...


class Sink:
    """Bytes go in by space() and filled(), from `offset` on; check() holds them against the checksum.

    It outlives an attempt that broke off, so that the next one can go on where that ended: if `version`,
    a strong validator that the protocol keeps here, is still the file's.

    part   path of the file in the making
    wanted (algorithm, hex digest) it must have
    also   algorithms whose digest is wanted besides
    file   the open part where the caller has it open; it stays his to close and to remove
    """

    def __init__(
        self,
        part: str,
        room: Room,
        wanted: tuple[str, str] | None = None,
        also: Sequence[str] = (),
        file: int = -1,
    ) -> None:
        self.part, self.wanted = part, wanted
        self._room, self._also = room, also
        self._file, self._ours = file, file < 0
        self._promised: tuple[str, str] | None = None
        self._hashes: InLine | None = None
        self._claimed = 0
        self.offset = 0
        self.total: int | None = None
        self.version = ""

    def begin(self, total: int | None, promised: Sequence[tuple[str, str]] = (), version: str = "") -> None:
        """Start from nothing: `total` bytes if known, with the digests that the server promised."""
        self._forget_content()
        self.total, self.version = total, version
        self._promised = None if self.wanted else _best(promised)
        judged = (self.wanted, self._promised)
        self._hashes = hasher({*self._also, *(one[0] for one in judged if one)}, total)
        try:
            if self._file < 0:
                self._file = _create(self.part)
            else:
                os.lseek(self._file, 0, os.SEEK_SET)
                os.ftruncate(self._file, 0)
        except OSError as error:
            raise trouble_here(error) from error
        self._claim(total or 0)

    def _claim(self, size: int) -> None:
        self._room.claim(self._file, size)
        self._claimed += size

    def space(self) -> memoryview:
        """Where the next bytes are to be put."""
        assert self._hashes
        return self._hashes.space()

    def filled(self, count: int) -> None:
        """The first `count` bytes of space() are the file's next ones."""
        assert self._hashes
        if self.total is None:
            self._claim(count)
        block = self._hashes.space()[:count]
        try:
            while block:
                block = block[os.write(self._file, block) :]
        except OSError as error:
            raise trouble_here(error) from error
        self._hashes.add(count)
        self.offset += count

    def adopt(self, path: str) -> None:
        """A file that another program wrote is all of it: `path` is moved here and read for its digests."""
        self.begin(None)
        assert self._hashes
        if self._ours:
            os.rename(path, self.part)
            os.close(self._file)
            self._file = os.open(self.part, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(path if not self._ours else f"/proc/self/fd/{self._file}", "rb", buffering=0) as file:
            while count := file.readinto(self.space()):
                if self._ours:
                    self._hashes.add(count)
                    self.offset += count
                else:
                    self.filled(count)

    def check(self) -> dict[str, str]:
        """The digests by algorithm, once they were held against what is wanted and was promised."""
        assert self._hashes
        digests = self._hashes.digests()
        for one, who in ((self.wanted, "is asked for"), (self._promised, "was promised by its server")):
            if one and not checksum.same(one[0], digests[one[0]], one[1]):
                raise Trouble(CHECKSUM, f"its {one[0]} is {digests[one[0]]}, and {one[1]} {who}")
        return digests

    def put(self, path: str) -> None:
        """Give the file its name."""
        try:
            os.rename(self.part, path)
        except OSError as error:
            raise trouble_here(error) from error
        self._claimed = 0  # its room is taken for good
        self._release()

    def forget(self) -> None:
        """Leave nothing of it."""
        if self._file >= 0 and self._ours:
            try:
                os.unlink(self.part)
            except OSError:
                pass  # its folder is gone, and it with that
        self._release()

    def _release(self) -> None:
        self._forget_content()
        if self._file >= 0 and self._ours:
            os.close(self._file)
        self._file = -1

    def _forget_content(self) -> None:
        if self._hashes:
            self._hashes.close()
            self._hashes = None
        self._room.give_back(self._claimed)
        self._claimed = self.offset = 0
        self.version = ""


def _create(path: str) -> int:
    try:
        return os.open(path, _FLAGS, 0o666)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return os.open(path, _FLAGS, 0o666)


def _best(promised: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    return min(promised, key=lambda one: list(checksum.ALGORITHMS).index(one[0]), default=None)


def trouble_here(error: OSError) -> Trouble:
    """What an error of the file being written means: nothing that another place could mend."""
    if error.errno in _FULL:
        return Trouble(NO_SPACE, "no space was left in the middle of it")
    return Trouble(SCRATCH, error.strerror or str(error))

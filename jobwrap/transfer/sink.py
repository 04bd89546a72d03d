"""A file in the making: written and hashed in one stream, and put in its place only when whole and right."""

from __future__ import annotations

import errno
import os

from jobwrap.transfer import checksum
from jobwrap.transfer.trouble import CHECKSUM, NO_SPACE, SCRATCH, Trouble

BLOCK = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Sink:
    """Bytes go in by space() and filled(), from `offset` on; finish() checks and renames.

    It outlives an attempt that broke off, so that the next one can go on where that ended.
    """

    def __init__(self, part: str, path: str, wanted: tuple[str, str] | None, fingerprint: bool) -> None:
        self.part, self.path = part, path
        self._wanted = wanted
        self._algorithms = {wanted[0]} if wanted else {"sha256"} if fingerprint else set()
        self._promised: list[tuple[str, str]] = []
        self._hashes: dict[str, checksum.Hash] = {}
        self._file = -1
        self._block = memoryview(bytearray(0))
        self.offset = 0
        self.etag = ""

    def begin(self, total: int | None, promised: list[tuple[str, str]] | None = None) -> None:
        """Start from nothing: `total` bytes if known, with the digests that the server promised."""
        self.etag, self.offset = "", 0
        self._promised = [one for one in promised or [] if one[0] in checksum.ALGORITHMS]
        names = self._algorithms | {name for name, _ in self._promised}
        self._hashes = {name: checksum.make(name) for name in names}
        try:
            if self._file < 0:
                os.makedirs(os.path.dirname(self.part), exist_ok=True)
                flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
                self._file = os.open(self.part, flags, 0o666)
            else:
                os.lseek(self._file, 0, os.SEEK_SET)
                os.ftruncate(self._file, 0)
        except OSError as error:
            raise _local(error) from error
        self._check_room(total)
        if not len(self._block):
            self._block = memoryview(bytearray(min(total, BLOCK) if total else BLOCK))

    def _check_room(self, total: int | None) -> None:
        if total:
            where = os.fstatvfs(self._file)
            if where.f_bavail * where.f_frsize < total:
                raise Trouble(NO_SPACE, f"{total} bytes are more than what is free")

    def space(self) -> memoryview:
        """Where the next bytes are to be put."""
        return self._block

    def filled(self, count: int) -> None:
        """The first `count` bytes of space() are the file's next ones."""
        block = self._block[:count]
        for one in self._hashes.values():
            one.update(block)
        self.offset += count
        try:
            while block:
                block = block[os.write(self._file, block) :]
        except OSError as error:
            raise _local(error) from error

    def finish(self) -> tuple[str, str] | None:
        """Check the digests and put the file at its path; the digest that the record should have."""
        digests = {name: one.hexdigest() for name, one in self._hashes.items()}
        wanted = self._wanted
        for name, hexa in ([wanted] if wanted else []) + self._promised:
            if not checksum.same(name, digests[name], hexa):
                said = "is asked for" if wanted == (name, hexa) else "was promised by the server"
                raise Trouble(CHECKSUM, f"its {name} is {digests[name]} and {hexa} {said}")
        self._close()
        try:
            os.rename(self.part, self.path)
        except OSError as error:
            raise _local(error) from error
        name = wanted[0] if wanted else "sha256"
        return (name, digests[name]) if name in digests else next(iter(digests.items()), None)

    def discard(self) -> None:
        """Leave nothing of it."""
        if self._file >= 0:
            self._close()
            os.unlink(self.part)

    def _close(self) -> None:
        os.close(self._file)
        self._file = -1


def _local(error: OSError) -> Trouble:
    """What an error of the file being written means: nothing that another place could mend."""
    if error.errno in _FULL:
        return Trouble(NO_SPACE, "no space left while it was written")
    return Trouble(SCRATCH, error.strerror or str(error))

"""Checksums by name: the algorithms that jobs, catalogs and servers use, and their written form."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Protocol

from jobwrap.transfer.trouble import CHECKSUM, Trouble


class Hash(Protocol):
    """What hashlib's objects do, as far as it is used here."""

    def update(self, block: memoryview, /) -> None: ...
    def hexdigest(self) -> str: ...


class Adler32:
    """As XRootD and the catalogs of the LHC experiments write it: eight hex digits."""

    _step, _value = staticmethod(zlib.adler32), 1

    def update(self, block: memoryview, /) -> None:
        self._value = self._step(block, self._value)

    def hexdigest(self) -> str:
        return f"{self._value:08x}"


class Crc32(Adler32):
    """That of zip and gzip, which Pelican knows too."""

    _step, _value = staticmethod(zlib.crc32), 0


def _crc32c() -> Hash:
    from jobwrap.transfer.crc32c import Crc32c  # makes tables of its own

    return Crc32c()


def _of_hashlib(algorithm: str) -> Hash:
    import hashlib

    return hashlib.new(algorithm, usedforsecurity=algorithm in ("sha256", "sha512"))


# The strongest first: of several digests that a server promises, the first of these is checked.
ALGORITHMS: dict[str, Callable[[], Hash]] = {
    "sha256": lambda: _of_hashlib("sha256"),
    "sha512": lambda: _of_hashlib("sha512"),
    "sha1": lambda: _of_hashlib("sha1"),
    "md5": lambda: _of_hashlib("md5"),
    "adler32": Adler32,
    "crc32c": _crc32c,
    "crc32": Crc32,
}
_BLOCK = 1 << 20
_SPELLINGS = {"sha": "sha1"}
_little = [1 << 20]  # bytes that may still be hashed without hashlib


def name_of(algorithm: str) -> str:
    """The name used here for `algorithm` however it is written: "SHA-256" is "sha256"."""
    plain = algorithm.lower().replace("-", "").replace("_", "")
    return _SPELLINGS.get(plain, plain)


def make(algorithm: str, size: int | None = None) -> Hash:
    """A fresh hash, for a file of so many bytes; Trouble where the algorithm is not known."""
    try:
        return (_of_little(algorithm, size) or ALGORITHMS[algorithm])()
    except KeyError:
        raise Trouble(CHECKSUM, f"the checksum {algorithm} is not one of {', '.join(ALGORITHMS)}") from None


def _of_little(algorithm: str, size: int | None) -> Callable[[], Hash] | None:
    """Python's own sha256 as long as there is little to hash: hashlib's is faster, but takes 5 ms to load."""
    if algorithm != "sha256" or size is None or size > _little[0] or "hashlib" in sys.modules:
        return None
    _little[0] -= size
    for name in ("_sha2", "_sha256"):  # the latter before Python 3.12; in some systems there is neither
        try:
            own: Callable[[], Hash] = __import__(name).sha256
            return own
        except ImportError:
            continue
    return None


def of_file(path: str, algorithm: str) -> str:
    """The hex digest of a file; OSError where it cannot be read."""
    digest = make(name_of(algorithm))
    block = memoryview(bytearray(_BLOCK))
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(block):
            digest.update(block[:count])
    return digest.hexdigest()


def same(algorithm: str, one: str, other: str) -> bool:
    """Whether two hex digests are equal; XRootD drops an adler32's leading zeros."""
    width = 8 if algorithm in ("adler32", "crc32c", "crc32") else 0
    return one.lower().rjust(width, "0") == other.lower().rjust(width, "0")

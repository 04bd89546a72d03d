"""Small files of /proc and /sys, read whole or not at all: an unreadable one is an empty text."""

from __future__ import annotations

import os

_BLOCK = 1 << 16
_DIGITS = 20  # of 2**64


def text(path: str, *, limit: int = 1 << 20, until: bytes = b"") -> str:
    """The first `limit` bytes of a file, or up to the block that holds `until`; "" if it cannot be read.

    Never blocks on a FIFO. Bytes that are no UTF-8 come as surrogates.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return ""
    found = b""
    try:
        while len(found) < limit and not (until and until in found):
            block = os.read(file, min(_BLOCK, limit - len(found)))
            if not block:
                break
            found += block
    except OSError:
        return ""
    finally:
        os.close(file)
    return found.decode(errors="surrogateescape")


def line(path: str) -> str:
    """The first line of a file without its end and blanks around it; "" if it cannot be read."""
    return text(path, limit=4096).partition("\n")[0].strip()


def table(path: str, separator: str) -> dict[str, str]:
    """The lines of a file as a dict, parted at the first separator; empty if it cannot be read."""
    pairs = (each.partition(separator) for each in text(path).splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def number(text: str) -> int | None:
    """The number that a text of nothing but digits is, of at most 64 bits; None for any other."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= _DIGITS else None


def names(path: str) -> list[str]:
    """The names in a folder, sorted; none if it cannot be listed."""
    try:
        return sorted(os.listdir(path))
    except (OSError, ValueError):
        return []

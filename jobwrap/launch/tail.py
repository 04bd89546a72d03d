"""The last lines in a plain file that somebody writes to, above all the one that is our stderr."""

from __future__ import annotations

import os
import stat

_LINE, _BLOCK = 300, 8192  # characters of a line, bytes that are read


def size_of(descriptor: int) -> int | None:
    """The bytes in the file, None where it is no plain file."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def lines_of(descriptor: int, since: int, most: int) -> tuple[str, ...]:
    """The last lines that were written to the file since it had that size, () where it cannot be read."""
    try:
        file = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY)
    except OSError:
        return ()
    try:
        length = max(_BLOCK, most * _LINE)
        return last_lines(os.pread(file, length, max(since, os.fstat(file).st_size - length)), most)
    except OSError:
        return ()
    finally:
        os.close(file)


def last_lines(text: bytes, most: int) -> tuple[str, ...]:
    """At most so many lines of a text, without the empty ones, the ends of long ones cut off."""
    lines = [line for line in text.decode(errors="replace").split("\n") if line.strip()]
    return tuple(line[:_LINE] for line in lines[len(lines) - most if most < len(lines) else 0 :])

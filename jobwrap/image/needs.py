"""What an image needs of a node: each need with what says so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

MACHINE, LEVEL, KERNEL, CUDA, GPU = "machine", "level", "kernel", "cuda", "gpu"


class Need(NamedTuple):
    """One thing that a node must have, and who says so.

    what  "machine", "level", "kernel", "cuda" or "gpu"
    """

    what: str
    value: str
    source: str


class Needs(NamedTuple):
    """All that an image says it needs, and what else a plan tells of it; "" where it does not say.

    os     "debian 12", from os-release
    glibc  the newest symbol version of its libc, "2.36"
    """

    rows: tuple[Need, ...] = ()
    os: str = ""
    glibc: str = ""

    def highest(self, what: str) -> Need | None:
        """The most demanding need of that kind; of levels the highest, else the first."""
        rows = [row for row in self.rows if row.what == what]
        return max(rows, key=lambda row: row.value) if rows else None


def version_key(text: str) -> tuple[int, ...]:
    """The numbers at the start of a version, for comparing: (5, 14, 0) of "5.14.0-427.el9.x86_64"."""
    end = next((place for place, letter in enumerate(text) if letter not in "0123456789."), len(text))
    return tuple(int(part[:9]) for part in text[:end].split(".") if part)


def merged(rows: Iterable[Need]) -> tuple[Need, ...]:
    """Each need once, by whoever said it first."""
    merged: dict[tuple[str, str], Need] = {}
    for row in rows:
        merged.setdefault((row.what, row.value), row)
    return tuple(merged.values())

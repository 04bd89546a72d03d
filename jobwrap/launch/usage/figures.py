"""One reading of what the task uses, and one sample made from the readings of all sources."""

from __future__ import annotations

from typing import NamedTuple


class Figures(NamedTuple):
    """What one source tells; None for what it does not.

    cpu        seconds of CPU so far
    memory     bytes that are in use and cannot be taken back by the kernel
    read       bytes from block devices so far; written: bytes to them
    processes  how many there are; threads: of all of them
    """

    cpu: float | None = None
    memory: int | None = None
    read: int | None = None
    written: int | None = None
    processes: int | None = None
    threads: int | None = None


class Sample(NamedTuple):
    """Figures of one moment, `at` seconds after the task's start; disk: bytes in the scratch folder."""

    at: float
    cpu: float | None = None
    memory: int | None = None
    read: int | None = None
    written: int | None = None
    processes: int | None = None
    threads: int | None = None
    disk: int | None = None


def highest(one: Sample, other: Sample) -> Sample:
    """The highest of each figure; what counts from the start on only grows."""
    known = ([each for each in pair if each is not None] for pair in zip(one, other))
    return Sample._make(max(figures, default=None) for figures in known)

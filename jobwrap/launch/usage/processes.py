"""What the processes below one use, as /proc tells it of each of them.

By hand and not by psutil: importing that takes as much CPU as a minute of samples may.
Source: proc(5), and the kernel's Documentation/filesystems/proc.rst.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import NamedTuple

from jobwrap.launch.tree import find_below
from jobwrap.launch.usage.figures import Figures
from jobwrap.node import files

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
# What processes share is counted anew when the whole has changed by one part in so many ...
_CHANGE = 20
# ... and not in one process alone that has this part of it, ...
_ALONE = 0.9
# ... within one part in so many of the time, of which the first seconds are had in advance.
_SHARE, _ADVANCE = 2000, 30.0


class Use(NamedTuple):
    """Of one process and of its children that have ended; resident: bytes, those that it shares too."""

    cpu: float
    resident: int
    read: int
    written: int


class Processes:
    """The source "/proc": all that is below the process `pid`, which does not count itself."""

    name = "/proc"

    def __init__(self, pid: int, root: str = "/") -> None:
        self._pid, self._root = pid, root
        self._began, self._spent = time.monotonic(), 0.0
        self._counted = 0  # the resident size when what is shared was counted
        self._part = 1.0  # of the resident size, without what was counted twice

    def figures(self) -> Figures:
        """Figures(), without any, where a part of the tree is hidden: half of it would mislead."""
        below = find_below(self._pid, self._root)
        uses = {pid: use for pid in below.pids if (use := use_of(pid, self._root))}
        if below.hidden or not uses:
            return Figures()
        return Figures(
            cpu=sum(use.cpu for use in uses.values()),
            memory=self._shared_once(uses),
            read=sum(use.read for use in uses.values()),
            written=sum(use.written for use in uses.values()),
            processes=len(uses),
            threads=below.threads,
        )

    def _shared_once(self, uses: Mapping[int, Use]) -> int:
        """The memory of all without counting twice what they share.

        To tell that, the kernel looks at every page: 20 ms for 1 GiB.
        """
        resident = sum(use.resident for use in uses.values())
        changed = abs(resident - self._counted) * _CHANGE >= self._counted
        if changed and self._spent * _SHARE <= time.monotonic() - self._began + _ADVANCE:
            began = time.process_time()
            self._counted = resident
            self._part = _part_without_shared(uses, resident, self._root)
            self._spent += time.process_time() - began
        return int(resident * self._part)


def use_of(pid: int | str, root: str = "/") -> Use | None:
    """What one process has used; None if it is gone. I/O is 0 where it may not be looked at."""
    # The name, in parentheses, can hold anything.
    fields = files.text(f"{root}/proc/{pid}/stat").rpartition(")")[2].split()
    try:
        ticks, pages = sum(map(int, fields[11:15])), int(fields[21])
    except (ValueError, IndexError):
        return None
    moved = files.table(f"{root}/proc/{pid}/io", ":")
    read, written = (files.number(moved.get(name, "")) or 0 for name in ("read_bytes", "write_bytes"))
    return Use(ticks / _TICKS, pages * _PAGE, read, written)


def _part_without_shared(uses: Mapping[int, Use], resident: int, root: str) -> float:
    sizes = {pid: use.resident for pid, use in uses.items()}
    if max(sizes.values()) >= _ALONE * resident:
        return 1.0
    return sum(_proportional(pid, root, size) for pid, size in sizes.items()) / resident


def _proportional(pid: int, root: str, resident: int) -> int:
    """A process's proportional set size in bytes: of what several share, each has its part."""
    words = files.table(f"{root}/proc/{pid}/smaps_rollup", ":").get("Pss", "").split()
    kilobytes = files.number(words[0]) if words else None
    return resident if kilobytes is None else kilobytes * 1024

"""What /proc tells of jobwrap's own processes while a task runs: itself, and its keeper above the runtime."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Memory(NamedTuple):
    """Bytes. shared: PSS, in which what processes share is divided by their number; alone: what it would be
    if these processes were the only ones to use their files."""

    shared: int
    alone: int


def own(jobwrap: int) -> list[int]:
    """jobwrap's process and its keeper."""
    return [jobwrap, *children(jobwrap)]


def below(jobwrap: int, but: str) -> list[int]:
    """The runtime's processes, without the task's, whose program has that name."""
    found, todo = [], [child for keeper in children(jobwrap) for child in children(keeper)]
    while todo:
        found.append(todo.pop())
        todo += children(found[-1])
    return [pid for pid in found if name_of(pid) != but]


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""  # it has just ended


def children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []  # it has just ended


def memory(pids: list[int]) -> Memory:
    """Of these processes together."""
    shared, whole = 0, 0
    files: dict[str, int] = {}
    for pid in pids:
        mapping = ""
        for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
            name, _, rest = line.partition(":")
            if "-" in name and " " in name:  # a mapping's first line: addresses, modes, offset, device, inode
                words = line.split()
                mapping = " ".join(words[2:5]) if words[4] != "0" else ""
            elif name == "Pss":
                pss = _bytes(rest)
                shared += pss
                whole += 0 if mapping else pss
            elif name == "Rss" and mapping:
                files[mapping] = max(files.get(mapping, 0), _bytes(rest))
    return Memory(shared, whole + sum(files.values()))


def cpu(pids: list[int]) -> float:
    """Seconds that their threads ran, and their children that have ended."""
    ticks = os.sysconf("SC_CLK_TCK")
    seconds = 0.0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            seconds += int((thread / "schedstat").read_text().split()[0]) / 1e9
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        seconds += sum(int(field) for field in fields[13:15]) / ticks
    return seconds


def _bytes(words: str) -> int:
    return int(words.split()[0]) * 1024

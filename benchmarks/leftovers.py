"""What may be left on a node when jobs have ended: processes, mounts, files."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")


class Count(NamedTuple):
    """files are those of the folders that any job may write to, and of the home folder."""

    processes: int
    mounts: int
    files: frozenset[Path]


def count(but: Path) -> Count:
    """Now, all that is outside the benchmark's own folder."""
    homes = (*_SHARED, os.environ.get("HOME", "/nonexistent"))
    return Count(
        processes=sum(name.isdigit() for name in os.listdir("/proc")),
        mounts=len(Path("/proc/self/mountinfo").read_text().splitlines()),
        files=frozenset(path for folder in homes for path in files(Path(folder), but)),
    )


def settled(before: Count, but: Path) -> Count:
    """The same a moment later: the last processes of the last job may still be on their way out."""
    deadline = time.monotonic() + 60
    while (now := count(but)).processes > before.processes and time.monotonic() < deadline:
        time.sleep(0.05)
    return now


def files(folder: Path, but: Path | None = None) -> list[Path]:
    """All that lies below a folder, save in `but`."""
    found: list[Path] = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if Path(where, name) != but]
        found += [Path(where, name) for name in (*folders, *names)]
    return found


def rows(before: Count, after: Count) -> list[Sequence[str]]:
    """Of a table with the columns before and after; new files by name."""
    new = sorted(map(str, after.files - before.files))
    told = f"{len(after.files)}" + (f": new are {', '.join(new[:5])}" if new else "")
    return [
        ["processes", str(before.processes), str(after.processes)],
        ["mounts", str(before.mounts), str(after.mounts)],
        ["files in /tmp, /var/tmp, /dev/shm, /run/lock, home", str(len(before.files)), told],
    ]

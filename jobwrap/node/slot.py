"""What the batch system granted: cores, memory, disk and time, and what the scratch folder is good for.

The machine ad tells what was granted; where there is none, the cgroup and the affinity tell what is enforced.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from jobwrap.node import cgroup, files


class Slot(NamedTuple):
    """Sizes in bytes; None where nobody says.

    free_disk, free_inodes  what the file system of the scratch folder has left; None where it does not tell
    source      for people: which of them was told by whom
    ends        when the slot ends, in seconds since 1970
    writable    whether files can be made in the scratch folder
    executable  whether programs can be started from it
    """

    cpus: int | None
    memory: int | None
    disk: int | None
    free_disk: int | None
    free_inodes: int | None
    source: str
    ends: float | None = None
    writable: bool = True
    executable: bool = True


def find_slot(ad: Mapping[str, object], scratch: str, root: str = "/") -> Slot:
    """The Slot that the machine ad (lower-case names, {} by hand), the cgroup and `scratch` describe."""
    limits = cgroup.find_limits(root)
    enforced = [("affinity", _affinity(root)), (limits.version, limits.cpus)]
    enforced.sort(key=lambda answer: answer[1] or 1 << 30)  # the tightest
    cpus = _first(("machine ad", _number(ad, "cpus")), *enforced)
    memory = _first(("machine ad", _number(ad, "memory", 1 << 20)), (limits.version, limits.memory))
    disk = _first(("machine ad", _number(ad, "disk", 1 << 10)))
    told = [("cpus", cpus), ("memory", memory), ("disk", disk)]
    room = _room(scratch)
    return Slot(
        cpus=cpus[1],
        memory=memory[1],
        disk=disk[1],
        free_disk=room and room.f_bavail * room.f_frsize,
        free_inodes=room.f_favail if room and room.f_files else None,
        source=", ".join(f"{what}: {who}" for what, (who, value) in told if value is not None),
        ends=_number(ad, "glidein_todie"),
        writable=_may(scratch, os.W_OK),
        executable=bool(room and not room.f_flag & os.ST_NOEXEC),
    )


def _first(*answers: tuple[str, int | None]) -> tuple[str, int | None]:
    return next((answer for answer in answers if answer[1] is not None), ("", None))


def _number(ad: Mapping[str, object], name: str, unit: int = 1) -> int | None:
    value = ad.get(name)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < 1 << 53:
        return int(value * unit)
    return None


def _affinity(root: str) -> int | None:
    """The processors that this process may run on, from a list such as "0-3,8"."""
    return count_list(files.table(f"{root}/proc/self/status", ":").get("Cpus_allowed_list", ""))


def count_list(text: str) -> int | None:
    """How many numbers the kernel's list notation ("0-3,8") names; None if it is none."""
    total = 0
    for part in text.split(","):
        first, dash, last = part.partition("-")
        low, high = files.number(first), files.number(last if dash else first)
        if low is None or high is None or high < low:
            return None
        total += high - low + 1
    return total


def _room(scratch: str) -> os.statvfs_result | None:
    try:
        return os.statvfs(scratch)
    except (OSError, ValueError):
        return None


def _may(scratch: str, how: int) -> bool:
    try:
        return os.access(scratch, how | os.X_OK)
    except ValueError:
        return False

"""Which paths lead to a file system that may never answer: read in the kernel's table, none of them touched.

Source: proc_pid_mountinfo(5), path_resolution(7).
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection

from jobwrap.node import files

# What holds programs and does not depend on another machine or on a process that serves it.
_LOCAL = (
    *("bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "xfs", "zfs"),
    *("erofs", "exfat", "iso9660", "squashfs", "vfat", "overlay", "ramfs", "rootfs", "tmpfs"),
)
_MOST_LINKS = 40  # as the kernel


def may_hang(root: str = "") -> set[str]:
    """The mount points of all others. Not "/": where that hangs, this program does not run."""
    found = set()
    for line in files.text(f"{root}/proc/self/mountinfo").splitlines():
        fields, _, kind = line.partition(" - ")
        if kind.partition(" ")[0] not in _LOCAL:
            found.update(fields.split(" ", 5)[4:5])
    return {_unescaped(point) for point in found} - {"", "/"}


def leads_into(path: str, mounts: Collection[str], root: str = "") -> str:
    """The mount that a path, or a link on its way, leads into, "" for none of them."""
    done, links = "", 0
    left = path.split("/")[::-1]
    while left and links <= _MOST_LINKS:
        part = left.pop()
        if part in ("", "."):
            continue
        if part == "..":
            done = done.rpartition("/")[0]
            continue
        if f"{done}/{part}" in mounts:
            return f"{done}/{part}"
        try:
            target = os.readlink(f"{root}{done}/{part}")
        except (OSError, ValueError):  # no link, or nothing at all
            done = f"{done}/{part}"
            continue
        links += 1
        left += target.split("/")[::-1]
        if target.startswith("/"):
            done = ""
    return ""


def _unescaped(point: str) -> str:
    r"""The kernel writes a blank as \040."""
    if "\\" not in point:
        return point
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point)

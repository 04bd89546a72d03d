"""Which paths lead to a file system that may never answer: read in the kernel's table, none of them touched.

Source: proc_pid_mountinfo(5), path_resolution(7).
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Collection

from jobwrap.node import files

# What holds programs and does not depend on another machine or on a process that serves it.
_LOCAL = (
    *("bcachefs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "xfs", "zfs"),
    *("erofs", "exfat", "iso9660", "squashfs", "vfat", "overlay", "ramfs", "rootfs", "tmpfs"),
)
_MOST_LINKS = 40  # as the kernel


class _Met(Exception):
    """The walk came to the mount `args[0]`."""


def may_hang(root: str = "") -> set[str]:
    """The mount points of all others. Not "/": where that hangs, this program does not run."""
    found = set()
    for line in files.text(f"{root}/proc/self/mountinfo").splitlines():
        fields, _, kind = line.partition(" - ")
        if kind.partition(" ")[0] not in _LOCAL:
            found.update(fields.split(" ", 5)[4:5])
    return {unescaped(point) for point in found} - {"", "/"}


def leads_into(path: str, mounts: Collection[str], root: str = "") -> str:
    """The mount that a path, or a link on its way, leads into, "" for none of them."""

    def target(here: str) -> str | None:
        if here in mounts:
            raise _Met(here)
        try:
            return os.readlink(root + here)
        except (OSError, ValueError):  # no link, or nothing at all
            return None

    try:
        follow(path, target)
    except _Met as met:
        return str(met.args[0])
    except OSError:  # a circle of links leads nowhere
        pass
    return ""


def follow(path: str, target_of: Callable[[str], str | None]) -> str:
    """The absolute path with all its links followed, "" for "/", by what the caller knows of links.

    target_of  what a path links to, None where it is no link; its exceptions end the walk
    OSError ELOOP where there are more links than the kernel would follow.
    """
    done, links = "", 0
    left = path.split("/")[::-1]
    while left:
        part = left.pop()
        if part in ("", "."):
            continue
        if part == "..":
            done = done.rpartition("/")[0]
            continue
        here = f"{done}/{part}"
        target = target_of(here)
        if target is None:
            done = here
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if target.startswith("/"):
            done = ""
        left += target.split("/")[::-1]
    return done


def unescaped(point: str) -> str:
    r"""The kernel writes a blank as \040."""
    if "\\" not in point:
        return point
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), point)

"""Paths as someone else sees them: the tree's /cvmfs or an image's / may lie elsewhere on the node.

An image's absolute link to /lib must never be followed into the node's own /lib, and the tree's
links to /cvmfs/... must be followed where CVMFS is mounted elsewhere. Links can't escape a view.
"""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from jobwrap.image.footprint import footprint
from jobwrap.node.mounts import follow


class View(NamedTuple):
    """What is seen where: (seen folder, folder of the node), the longest seen folder first.

    A mount is never a link itself, whatever its folder of the node is.
    """

    mounts: tuple[tuple[str, str], ...]

    def on_node(self, seen: str) -> str:
        """The node's path for a seen one, whose links are not looked at."""
        for folder, source in self.mounts:
            prefix = folder.rstrip("/")
            if seen == folder or seen.startswith(prefix + "/"):
                return (source.rstrip("/") + seen[len(prefix) :]) or "/"
        return seen

    def seen(self, path: str) -> str:
        """The seen path for one of the node, as someone may write it who knows where things lie."""
        for folder, source in self.mounts:
            if path.startswith(source.rstrip("/") + "/"):
                return folder.rstrip("/") + path[len(source.rstrip("/")) :]
        return path

    def real(self, seen: str) -> str:
        """The seen path with all its links followed, in this view; OSError where that is not possible."""
        if "\0" in seen:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), seen)
        mounts = [folder for folder, _ in self.mounts]
        return follow(seen, lambda here: None if here in mounts else _link_target(self.on_node(here))) or "/"

    def find(self, seen: str) -> str:
        """The node's path of the file that `seen` leads to; OSError where there is none."""
        return self.on_node(self.real(seen))


def view_of(*mounts: tuple[str, str]) -> View:
    """The view with these mounts; a later one covers an earlier one of the same folder."""
    latest = {folder.rstrip("/") or "/": source for folder, source in mounts}
    return View(tuple(sorted(latest.items(), key=lambda mount: -len(mount[0]))))


def cvmfs_at(mount: str) -> View:
    """The node's own view, but for /cvmfs, which lies at `mount`."""
    return view_of(("/cvmfs", mount or "/cvmfs"))


def _link_target(path: str) -> str | None:
    """Where a link points, None for what is there and no link."""
    footprint.step(path)
    try:
        return os.readlink(path)
    except OSError as error:
        if error.errno == errno.EINVAL:
            return None
        raise

"""The chosen image while the task runs: held, so that no automounter takes it away, and looked for after.

The tree deletes what no tag points to any more after two days (cvmfs-singularity-sync), also under a
task that is still using it.
"""

from __future__ import annotations

import errno
import os

from jobwrap.failures import JobwrapError
from jobwrap.image import tree
from jobwrap.image.choose import Image
from jobwrap.image.view import cvmfs_at
from jobwrap.node.probe import Hung, ask


def open_to_hold(path: str) -> int:
    """In a probe: a descriptor of the image's folder or file, to be handed over; -1 where none can be had.

    O_PATH pins the mount without asking the file system for anything, then or later.
    """
    try:
        return os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return -1


def still_there(image: Image, cvmfs: str, *, deadline: float) -> JobwrapError | None:
    """What has happened to the image since it was chosen; None if it is where it was.

    image.withdrawn if it is gone from a repository that works, else whatever is wrong with the mount.
    """
    try:
        ask(_look, image.path, cvmfs, image.asked, deadline=deadline, what=image.path)
    except JobwrapError as error:
        return error
    except Hung as hung:
        mount = tree.repository(cvmfs_at(cvmfs).seen(image.path))
        if mount:
            path = cvmfs_at(cvmfs).on_node(mount)
            return JobwrapError("site.cvmfs_hung", path=path, seconds=hung.seconds)
        return JobwrapError("site.storage", path=image.path, problem=str(hung))
    return None


def _look(path: str, cvmfs: str, asked: str) -> None:
    view = cvmfs_at(cvmfs)
    try:
        os.stat(path)
        return
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise tree.broken(error, view, asked) from error
    try:
        tree.check_repository(view.seen(path), view)
    except OSError as error:
        raise tree.broken(error, view, asked) from error
    raise JobwrapError("image.withdrawn", image=asked, path=path)

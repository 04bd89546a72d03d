"""The chosen image while the task runs: held, so that no automounter takes it away, and looked for after.

The tree deletes what no tag points to any more after two days (cvmfs-singularity-sync), also under a
task that is still using it.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys

# Not the module socket, which takes 8 ms to import.
from _socket import CMSG_SPACE, SCM_RIGHTS, SOL_SOCKET, socket, socketpair

from jobwrap.failures import JobwrapError
from jobwrap.image import tree
from jobwrap.image.choose import Image
from jobwrap.image.view import cvmfs_at
from jobwrap.node.probe import Hung, ask

_DESCRIPTOR = 4  # bytes of a C int, which is what a descriptor is


def hold(image: Image, *, deadline: float) -> int:
    """A descriptor of the image's folder or file, to be closed after the task; -1 where none can be had.

    A child opens it and hands it over: a path on a mount that just died would hang whoever opens it.
    O_PATH pins the mount without asking the file system for anything, then or later.
    """
    ours, childs = socketpair()
    child = os.fork()
    if child == 0:
        _hand_over(image.path, childs)
    childs.close()
    held = -1
    poll = select.poll()
    poll.register(ours.fileno(), select.POLLIN)
    if poll.poll(deadline * 1000):
        _, ancillary, _, _ = ours.recvmsg(1, CMSG_SPACE(_DESCRIPTOR))
        held = next((int.from_bytes(data[:_DESCRIPTOR], sys.byteorder) for _, _, data in ancillary), -1)
    else:
        os.kill(child, signal.SIGKILL)  # a hung one stays until the mount goes
    ours.close()
    os.waitpid(child, 0 if held >= 0 else os.WNOHANG)
    return held


def _hand_over(path: str, to: socket) -> None:
    """The child's whole life; like any probe it keeps none of our descriptors."""
    try:
        place = to.detach()
        os.dup2(place, 0)
        os.closerange(1, max(map(int, os.listdir("/proc/self/fd"))) + 1)
        os.chdir("/")
        found = os.open(path, os.O_PATH | os.O_CLOEXEC)
        descriptor = found.to_bytes(_DESCRIPTOR, sys.byteorder)
        socket(fileno=0).sendmsg([b"x"], [(SOL_SOCKET, SCM_RIGHTS, descriptor)])
    finally:
        os._exit(0)


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

"""The processes below a process, by the kernel's own list of what each thread has started.

A kernel without such lists (built without CONFIG_PROC_CHILDREN) leaves it to psutil, which has to look
at every process of the node.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from jobwrap.node import files

if TYPE_CHECKING:
    from resource import struct_rusage

PATIENCE = 10.0  # seconds for killed processes to be gone; one in an uninterruptible wait never is
_LOOKS = 20  # at a tree that grows while it is sent a signal


class Below(NamedTuple):
    """What is below a process.

    pids     each after its parent
    threads  how many all of them have
    hidden   one of them may not be looked at (/proc mounted with hidepid), nor what is below it
    """

    pids: tuple[int, ...]
    threads: int
    hidden: bool


def find_below(pid: int, root: str = "/") -> Below:
    """All processes below `pid`, as they are while it looks: some may come and go meanwhile."""
    proc = f"{root}/proc"
    if not _has_our_numbers(root):
        return Below((), 0, hidden=True)
    if not os.path.exists(_children_of(proc, pid, pid)) and os.path.isdir(f"{proc}/{pid}/task"):
        return _by_psutil(pid)
    found: dict[int, None] = {}
    threads, hidden = 0, False
    waiting = [(pid, "")]
    while waiting:
        parent, listed = waiting.pop()
        tasks = files.names(f"{proc}/{parent}/task")
        threads += len(tasks) if listed else 0
        hidden = hidden or (not tasks and _still(parent, listed))
        for task in tasks:
            path = _children_of(proc, parent, task)
            for child in _numbers(path):
                if child not in found:
                    found[child] = None
                    waiting.append((child, path))
    return Below(tuple(found), threads, hidden)


def find_children(pid: int, root: str = "/") -> list[int]:
    """What the first thread of `pid` has started, or was made the parent of."""
    if not _has_our_numbers(root):
        return []
    path = _children_of(f"{root}/proc", pid, pid)
    return _numbers(path) if os.path.exists(path) else list(_by_psutil(pid, recursive=False).pids)


def send_below(pid: int, number: int, spared: Callable[[int], bool] = lambda _: False) -> int:
    """Sends a signal to every process below `pid`, also to those that start meanwhile; how many it was.

    What it cannot stop from forking faster than it looks gets away after some looks.
    """
    sent: set[int] = set()
    for _ in range(_LOOKS):
        # Parents first: who sees a child killed could still go on.
        new = [each for each in find_below(pid).pids if each not in sent and not spared(each)]
        if not new:
            break
        sent.update(new)
        for each in new:
            try:
                os.kill(each, number)
            except (ProcessLookupError, PermissionError):
                pass  # it has ended, or is a helper that runs as another user
    return len(sent)


def kill_children(
    patience: float, spared: Callable[[int], bool] = lambda _: False
) -> tuple[int, int, list[struct_rusage]]:
    """Kills the children of this process, and all that so become its children: it must adopt orphans.

    How many it was, how many were not gone after `patience` seconds, and what the others used.
    """
    seen: set[int] = set()
    used: list[struct_rusage] = []
    deadline = time.monotonic() + patience
    while True:
        children = [child for child in find_children(os.getpid()) if not spared(child)]
        if not children or time.monotonic() > deadline:
            return len(seen), len(children), used
        seen.update(children)
        for child in children:
            try:
                os.kill(child, signal.SIGKILL)
            except PermissionError:
                pass  # it runs as another user
        ended = [usage for pid, _, usage in (os.wait4(child, os.WNOHANG) for child in children) if pid]
        used += ended
        if len(ended) < len(children):
            time.sleep(0.002)


def _has_our_numbers(root: str) -> bool:
    """In the /proc of another PID namespace somebody else would have them."""
    return root != "/" or os.path.basename(os.readlink("/proc/self")) == str(os.getpid())


def _children_of(proc: str, pid: int, task: int | str) -> str:
    return f"{proc}/{pid}/task/{task}/children"


def _numbers(path: str) -> list[int]:
    return [int(word) for word in files.text(path).split() if word.isdecimal()]


def _still(pid: int, listed: str) -> bool:
    """Whether a process that showed nothing has not simply ended since it was listed."""
    return bool(listed) and pid in _numbers(listed)


def _by_psutil(pid: int, *, recursive: bool = True) -> Below:
    try:
        import psutil
    except ImportError:
        return Below((), 0, hidden=True)
    try:
        found = tuple(each.pid for each in psutil.Process(pid).children(recursive=recursive))
    except psutil.Error:
        return Below((), 0, hidden=True)
    return Below(found, sum(len(files.names(f"/proc/{each}/task")) for each in found), hidden=False)

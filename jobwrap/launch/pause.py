"""Stop the task and jobwrap itself until SIGCONT comes, as a shell or a batch system suspends a job.

SIGSTOP for each process: SIGTSTP can be ignored, and an orphaned process group always does so. The keeper
goes on, so that nothing is left either should jobwrap be killed while it is stopped; and so does who serves
the files of a SIF, since a process that waits for one cannot be stopped.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from jobwrap.launch.tree import send_below
from jobwrap.node import files

_LOOK = 0.1  # seconds


def pause(keeper: int, wanted: Callable[[], bool]) -> float:
    """Stops all below the keeper, if there is one (not 0), as long as it is wanted: for how many seconds."""
    began = time.monotonic()
    try:
        if keeper:
            send_below(keeper, signal.SIGSTOP, spared=_serves_files)
        if wanted():  # the two signals may come close together
            os.kill(os.getpid(), signal.SIGSTOP)
        while wanted():  # the first process of a PID namespace cannot stop itself
            time.sleep(_LOOK)
    finally:  # also where a signal that came meanwhile ends the job
        resume(keeper)
    return time.monotonic() - began


def resume(keeper: int) -> None:
    """Lets the keeper, if there is one, and all below it go on."""
    if keeper:
        os.kill(keeper, signal.SIGCONT)
        send_below(keeper, signal.SIGCONT)


def _serves_files(pid: int) -> bool:
    """Whether it is a helper of the runtime, outside the task's PID namespace, with a FUSE file system."""
    if _target(f"/proc/{pid}/ns/pid") != _target("/proc/self/ns/pid"):
        return False
    folder = f"/proc/{pid}/fd"
    return any(_target(f"{folder}/{each}") == "/dev/fuse" for each in files.names(folder))


def _target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:  # it has ended, or is not ours
        return ""

"""Stop the task and jobwrap itself until SIGCONT comes, as a shell or a batch system suspends a job.

SIGSTOP for each process: SIGTSTP can be ignored, and an orphaned process group always does so. The keeper
alone goes on, so that nothing is left either should jobwrap be killed while it is stopped.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from jobwrap.launch.tree import send_below

_LOOK = 0.1  # seconds


def pause(keeper: int, wanted: Callable[[], bool]) -> float:
    """Stops all below the keeper, if there is one (not 0), as long as it is wanted: for how many seconds."""
    began = time.monotonic()
    try:
        if keeper:
            send_below(keeper, signal.SIGSTOP)
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

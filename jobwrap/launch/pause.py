"""Stop the task, and jobwrap with it, until SIGCONT comes, as a shell or a batch system suspends a job.

SIGSTOP for each process: SIGTSTP can be ignored, and an orphaned process group always does so. The keeper
alone goes on, so that nothing is left either should jobwrap be killed while it is stopped.

jobwrap itself waits for SIGCONT, which is blocked and so cannot come too early to be seen. To send itself
SIGSTOP would make the kernel forget a SIGCONT that comes in just that moment, and nobody would send another:
it does so only at a terminal, whose shell has to see that it stopped, and can wake it again.
"""

from __future__ import annotations

import os
import signal
import time

from jobwrap.launch import tree  # a signal may come while it is imported; with a keeper it is there


def pause(keeper: int) -> float:
    """Stops all below the keeper, if there is one (not 0), until SIGCONT comes: for how many seconds."""
    began = time.monotonic()
    try:
        if keeper:
            tree.send_below(keeper, signal.SIGSTOP)
        if _at_a_terminal() and signal.SIGCONT not in signal.sigpending():
            os.kill(os.getpid(), signal.SIGSTOP)
        signal.sigwaitinfo((signal.SIGCONT,))  # other signals' handlers run meanwhile
    finally:  # also where one of them ends the job
        resume(keeper)
    return time.monotonic() - began


def resume(keeper: int) -> None:
    """Lets the keeper, if there is one, and all below it go on."""
    if keeper:
        os.kill(keeper, signal.SIGCONT)
        tree.send_below(keeper, signal.SIGCONT)


def _at_a_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True

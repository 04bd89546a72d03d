"""End as the task ended: by its signal, for a batch system that tells signals from exit codes."""

from __future__ import annotations

import os
import signal
import sys

_DUMPABLE = 4  # PR_SET_DUMPABLE, linux/prctl.h


def end_by(number: int) -> None:
    """Ends this process by a signal, without a core dump of its own; returns where it cannot be done.

    The first process of a PID namespace, for one, gets no signal that it sends itself.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, AttributeError):
            pass  # nobody reads it, or there is none
    _forbid_core()
    try:
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
        os.kill(os.getpid(), number)
    except (OSError, ValueError):
        pass


def _forbid_core() -> None:
    """Neither a file nor a pipe to the system's handler, which asks for no limit."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    try:
        import ctypes

        ctypes.CDLL(None).prctl(_DUMPABLE, 0, 0, 0, 0)
    except (ImportError, OSError, AttributeError):
        pass  # a Python without ctypes

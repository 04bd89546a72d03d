"""The keeper's own life: it starts the runtime, hands signals on, and ends whatever is left over.

Runs in the process that Keeper forks; keeper.py says why there is one.
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import time
from typing import TYPE_CHECKING

from jobwrap.launch.gate import Usage
from jobwrap.launch.tree import PATIENCE, kill_children
from jobwrap.signals import ENDING, HANDED_ON, PAUSING

if TYPE_CHECKING:
    from resource import struct_rusage

    from jobwrap.launch.keeper import Start

# What jobwrap itself handles; the keeper must live through them, the task gets them by the control pipe.
_HANDLED = (*ENDING, *HANDED_ON, *PAUSING)
_NO_PROGRAM = 127 << 8  # the wait status of what a shell could not execute
_UNUSED = Usage(*[0] * len(Usage._fields))


def keep(start: Start, control: int, report: int) -> None:
    """All of it; never returns. control, report: the ends of the pipes that are the keeper's."""
    os.setsid()
    for number in _HANDLED:
        signal.signal(number, signal.SIG_IGN)
    if start.output != 1:
        os.dup2(start.output, 1)
    _close_all_but(0, 1, 2, control, report, start.error, *start.inherited, *start.locks)
    wake_read, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    try:
        runtime = _spawn(start)
    except OSError as error:
        os.write(start.error, f"FATAL: {start.argv[0]} cannot be executed: {error.strerror}\n".encode())
        os.write(report, marshal.dumps((_NO_PROGRAM, tuple(_UNUSED), 0, 0)))
        os._exit(0)
    # The runtime has started nothing yet, and needs no millisecond more for what follows.
    import resource  # noqa: F401  # what os.wait4 imports when it is first called

    from jobwrap import libc

    libc.adopt_orphans()
    libc.give_back_memory()  # what jobwrap had freed and will use again is a copy of the keeper's own by then

    # The task's own streams end when the task does, not when the keeper does.
    null = os.open(os.devnull, os.O_RDWR)
    for mine in (0, 1, 2, start.error, *start.inherited):
        os.dup2(null, mine)
    status, used, stays = _watch(runtime, control, wake_read)
    left, stuck, more = kill_children(0 if stays else PATIENCE)  # what was re-parented to the keeper
    for usage in more:
        used = _plus(used, usage)
    _empty(start.doomed)
    os.write(report, marshal.dumps((status, tuple(used), left, stuck)))
    os._exit(0)


def _spawn(start: Start) -> int:
    """The runtime, in a group of its own: what a task does to its group reaches nobody else.

    Not by fork: to copy what a Python has takes 1 ms, and on a busy node five.
    """
    os.chdir(start.folder)
    for descriptor in start.inherited:
        os.set_inheritable(descriptor, True)
    return os.posix_spawn(
        start.argv[0],
        start.argv,
        start.environment,
        file_actions=[(os.POSIX_SPAWN_DUP2, start.error, 2)],
        setpgroup=0,
        setsigmask=(),
        # Python itself ignores PIPE and XFSZ; the task expects to find all as the kernel gives them.
        setsigdef=(*_HANDLED, signal.SIGPIPE, signal.SIGXFSZ),
    )


def _close_all_but(*kept: int) -> None:
    """Above all the gate's writing end: as long as the keeper held that, jobwrap could not close the gate."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in kept:
            try:
                os.close(int(name))
            except OSError:
                pass  # the listing's own


def _watch(runtime: int, control: int, wake: int) -> tuple[int, Usage, bool]:
    """The runtime's wait status, what was used, and whether it stays, since not even SIGKILL ended it."""
    gone_by = 0.0
    used = _UNUSED
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(wake, select.POLLIN)
    while True:
        ready = poll.poll(max(0, gone_by - time.monotonic()) * 1000 if gone_by else None)
        if gone_by and time.monotonic() >= gone_by:
            return int(signal.SIGKILL), used, True
        for descriptor, _ in ready:
            if descriptor == wake:
                os.read(wake, 4096)
                continue
            numbers = os.read(control, 4096)
            if not numbers:
                poll.unregister(control)
                numbers = bytes([signal.SIGKILL])
            for number in numbers:
                os.kill(runtime, number)  # not yet waited for, so the number is still its own
                if number == signal.SIGKILL and not gone_by:
                    gone_by = time.monotonic() + PATIENCE
        while True:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                break
            used = _plus(used, usage)
            if pid == runtime:
                return status, used, False


def _empty(folder: str) -> None:
    try:
        for name in os.listdir(folder) if folder else ():
            os.unlink(os.path.join(folder, name))
    except OSError:
        pass  # most jobs have none


def _plus(used: Usage, more: struct_rusage) -> Usage:
    return Usage(
        used.user + more.ru_utime,
        used.system + more.ru_stime,
        max(used.peak, more.ru_maxrss * 1024),
        used.minor + more.ru_minflt,
        used.major + more.ru_majflt,
        used.read + more.ru_inblock,
        used.written + more.ru_oublock,
        used.voluntary + more.ru_nvcsw,
        used.forced + more.ru_nivcsw,
    )

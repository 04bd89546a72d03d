"""The signals that jobwrap gets: raised as the job's end, kept for the watch over the task, or obeyed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from jobwrap.failures import JobwrapError

if TYPE_CHECKING:
    from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
HANDED_ON = (signal.SIGUSR1, signal.SIGUSR2)
PAUSING = (signal.SIGTSTP, signal.SIGCONT)
_SOON = 0.005  # seconds
_NEVER = -1


class Signals:
    """Takes jobwrap's signals from the moment it is made.

    raising  True: an ending signal raises JobwrapError batch.terminated wherever the code is, which
             breaks off a transfer or a wait. False: it is only kept.
    wake     readable once a signal has come

    SIGTSTP stops the task and jobwrap with it, SIGCONT lets both go on. Which of two came last only the
    kernel knows: Python runs handlers in the order of their numbers, and one may break off another. So
    SIGCONT is always blocked: it is pending as long as it was not taken and no SIGTSTP came after it.

    keeper   the process above the task, 0 while there is none
    stood    is told afterwards for how many seconds all stood still
    """

    def __init__(self) -> None:
        self.raising = True
        self.ended_by = 0  # the first ending signal
        self.keeper = 0
        self.stood: Callable[[float], None] = lambda _: None
        self._woken = 0  # how many SIGCONT were taken
        self._new: list[int] = []
        self.wake, self._wake_write = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(self._wake_write, False)
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGCONT,))
        for number in (*ENDING, *HANDED_ON):
            signal.signal(number, self._take)
        self._expect_stop()
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self._new.append(number)
        if number not in ENDING:
            return
        if self.ended_by:
            return  # the first is being acted on; a second must not break that off
        self.ended_by = number
        self._end(number, frame)

    def _end(self, _number: int, frame: FrameType | None) -> None:
        """Raises; but an import that is broken off leaves half a module, or keeps the exception to itself."""
        if self.raising and _imports(frame):
            signal.signal(signal.SIGALRM, self._end)
            signal.setitimer(signal.ITIMER_REAL, _SOON)
        elif self.raising:
            raise terminated(self.ended_by)

    def _expect_stop(self) -> None:
        """The handler knows from the start after which SIGCONT it was called, whenever it gets to act."""
        woken = self._woken
        signal.signal(signal.SIGTSTP, lambda *_: self._settle(woken))

    def _settle(self, stop_after: int) -> None:
        """Takes a SIGCONT, or stops until one comes, unless one was taken since the SIGTSTP came."""
        # Each SIGTSTP that came before this returns has been handled then, within this one.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTSTP,))
        try:
            from jobwrap.launch.pause import pause, resume

            if signal.sigtimedwait((signal.SIGCONT,), 0):
                resume(self.keeper)  # others may have stopped it
            elif stop_after == self._woken:
                self.stood(pause(self.keeper))
            else:
                return
            self._woken += 1
            self._expect_stop()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def __enter__(self) -> None:
        """Until the block ends, an ending signal is kept: what happens in it happens whole."""
        self.raising = False

    def __exit__(self, kind: object, *_: object) -> None:
        self.raising = True
        if self.ended_by and kind is None:
            raise terminated(self.ended_by)

    def take(self) -> list[int]:
        """The signals that came since the last call, in their order; those that stop and wake are obeyed."""
        if signal.SIGCONT in signal.sigpending():
            self._settle(_NEVER)
        try:
            while os.read(self.wake, 4096):
                pass
        except BlockingIOError:
            pass
        new, self._new = self._new, []
        return new


def _imports(frame: FrameType | None) -> bool:
    """Whether what runs at this moment is part of an import."""
    while frame:
        if frame.f_code.co_filename.startswith("<frozen importlib."):
            return True
        frame = frame.f_back
    return False


def terminated(number: int) -> JobwrapError:
    """The end of a job by a signal from outside."""
    return JobwrapError("batch.terminated", signal=number, signal_name=signal_name(number))


def signal_name(number: int) -> str:
    """SIGTERM for 15; the number alone where it has no name."""
    from signal import Signals as Names

    try:
        return Names(number).name
    except ValueError:
        return f"signal {number}"

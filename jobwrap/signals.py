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


class Signals:
    """Takes jobwrap's signals from the moment it is made.

    raising  True: an ending signal raises JobwrapError batch.terminated wherever the code is, which
             breaks off a transfer or a wait. False: it is only kept.
    wake     readable once a signal has come

    SIGTSTP stops the task and jobwrap with it, SIGCONT lets both go on.
    keeper   the process above the task, 0 while there is none
    stood    is told afterwards for how many seconds all stood still
    """

    def __init__(self) -> None:
        self.raising = True
        self.ended_by = 0  # the first ending signal
        self.keeper = 0
        self.stood: Callable[[float], None] = lambda _: None
        self._stop, self._pausing = False, False
        self._new: list[int] = []
        self.wake, self._wake_write = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(self._wake_write, False)
        for number in (*ENDING, *HANDED_ON, *PAUSING):
            signal.signal(number, self._take)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if number in PAUSING:
            self._pause(stop=number == signal.SIGTSTP)
            return
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

    def _pause(self, *, stop: bool) -> None:
        self._stop = stop
        if self._pausing:
            return
        from jobwrap.launch.pause import pause, resume

        if not stop:
            resume(self.keeper)  # others may have stopped it
            return
        while self._stop:  # once more, if a signal to stop came while all were being woken
            self._pausing = True
            try:
                self.stood(pause(self.keeper, lambda: self._stop))
            finally:
                self._pausing = False

    def __enter__(self) -> None:
        """Until the block ends, an ending signal is kept: what happens in it happens whole."""
        self.raising = False

    def __exit__(self, kind: object, *_: object) -> None:
        self.raising = True
        if self.ended_by and kind is None:
            raise terminated(self.ended_by)

    def take(self) -> list[int]:
        """The signals that came since the last call, in their order."""
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

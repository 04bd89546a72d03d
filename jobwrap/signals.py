"""The signals that jobwrap gets: raised as the end of the job, or kept for whoever watches the task."""

from __future__ import annotations

import os
import signal
from types import FrameType

from jobwrap.failures import JobwrapError

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
HANDED_ON = (signal.SIGUSR1, signal.SIGUSR2)


class Signals:
    """Takes jobwrap's signals from the moment it is made.

    raising  True: an ending signal raises JobwrapError batch.terminated wherever the code is, which
             breaks off a transfer or a wait. False: it is only kept.
    wake     readable once a signal has come
    """

    def __init__(self) -> None:
        self.raising = True
        self.ended_by = 0  # the first ending signal
        self._new: list[int] = []
        self.wake, self._wake_write = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(self._wake_write, False)
        for number in (*ENDING, *HANDED_ON):
            signal.signal(number, self._take)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)

    def _take(self, number: int, _frame: FrameType | None) -> None:
        self._new.append(number)
        if number not in ENDING:
            return
        if self.ended_by:
            return  # the first is being acted on; a second must not break that off
        self.ended_by = number
        if self.raising:
            raise terminated(number)

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


def terminated(number: int) -> JobwrapError:
    """The end of a job by a signal from outside."""
    return JobwrapError("batch.terminated", signal=number, signal_name=signal.Signals(number).name)

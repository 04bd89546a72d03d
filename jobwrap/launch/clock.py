"""When a task's time is over: its wall time, and the grace period after whoever asked it to end."""

from __future__ import annotations

import signal
import time

NEVER = float("inf")
_LATE = 5.0  # seconds by which a sleep may be late on a busy node; more means that the node was stopped


class Clock:
    """The deadlines of one task, in seconds of time.monotonic(); stopped time does not count.

    timed_out  whether the wall time was over
    stopped    for how many seconds the task could not run
    """

    def __init__(self, limit: float | None, grace: float) -> None:
        self.started = time.monotonic()
        self.timed_out = False
        self.stopped = 0.0
        self._grace = grace
        self._ends = None if limit is None else self.started + limit
        self._kill_at: float | None = None

    def ask_to_end(self) -> bool:
        """The task was asked to end: the grace period begins; false if it has already."""
        if self._kill_at is not None:
            return False
        self._kill_at = time.monotonic() + self._grace
        return True

    def was_stopped(self, seconds: float) -> None:
        """The task could not run for so long."""
        self.stopped += seconds
        if self._ends is not None:
            self._ends += seconds
        if self._kill_at is not None:
            self._kill_at += seconds

    def left(self) -> float:
        """Seconds until due() has something, infinite for never."""
        at = min((at for at in (self._ends, self._kill_at) if at is not None), default=NEVER)
        return max(0.0, at - time.monotonic())

    def slept(self, wanted: float, took: float) -> None:
        """A sleep of `wanted` seconds took so long: by far too long where everything stood still."""
        if took > wanted + _LATE:
            self.was_stopped(took - wanted)

    def due(self) -> int:
        """The signal to send now: SIGTERM when the time is over, SIGKILL after the grace, else 0."""
        now = time.monotonic()
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = now + self._grace + 1  # again, should anything have escaped
            return signal.SIGKILL
        if self._ends is not None and now >= self._ends:
            self.timed_out, self._ends = True, None
            self.ask_to_end()
            return signal.SIGTERM
        return 0

"""When the task's use is looked at: often at first, then ever more rarely, and never at a noticeable cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobwrap.launch.usage.account import Account
    from jobwrap.launch.usage.figures import Sample

_NEVER = float("inf")
# For the first so many seconds of the task: one sample every so many.
_CADENCE = ((10.0, 1.0), (120.0, 5.0), (_NEVER, 30.0))
_SHARE = 1500  # between two samples passes at least so many times the CPU that one takes: some is not seen
_SMOOTH = 4  # a costly one makes the next few rarer, instead of the next one very late
_WALK = 2000  # of the time between two samples, one part in so many is for the walk over scratch


class Sampler:
    """Samples one task from now on. Nothing is imported or read before the first sample.

    last  the latest sample, None before the first
    cost  seconds of CPU that it took; who does more with it adds what that takes
    """

    def __init__(
        self,
        keeper: int,
        scratch: str,
        gpus: Sequence[str] = (),
        *,
        cgroup: str = "",
        oom_kills: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """For what is below the process `keeper`.

        gpus       NVIDIA's that were granted, as they were named
        cgroup     folder of a cgroup v2 that has nothing else in it, "" for none
        oom_kills  how many the cgroup of this process had counted before
        """
        self._what, self._sources = (scratch, gpus), (keeper, cgroup, oom_kills)
        self._clock = clock
        self._started = self._sampled = clock()
        self._account: Account | None = None
        self._closed = False
        self.last: Sample | None = None
        self.cost = self._usual = 0.0

    @property
    def next_at(self) -> float:
        """When the next sample is wanted, in seconds of `clock`."""
        return _NEVER if self._closed else self._sampled + self._interval()

    def _interval(self) -> float:
        at = self._sampled - self._started
        cadence = next(every for until, every in _CADENCE if at < until)
        return max(cadence, self._usual_cost() * _SHARE)

    def _usual_cost(self) -> float:
        return self._usual + (self.cost - self._usual) / _SMOOTH

    def sample(self) -> Sample:
        """What the task uses now."""
        if self._account is None:
            # Imported here, so that a task of less than a second does not pay for it.
            from jobwrap.launch.usage.account import Account
            from jobwrap.launch.usage.sources import Sources

            self._account = Account(Sources(*self._sources), *self._what)
        began, now = time.process_time(), self._clock()
        walk = self._interval() / _WALK
        self.last, self._usual = self._account.take(now - self._started, walk), self._usual_cost()
        self.cost, self._sampled = time.process_time() - began, now
        return self.last

    def result(self) -> dict[str, Any]:
        """The exit record's fields on usage as far as samples tell them; {} if there was none."""
        return self._account.result() if self._account else {}

    def close(self) -> None:
        """No more samples will be taken."""
        self._closed = True
        if self._account:
            self._account.close()

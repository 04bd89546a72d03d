"""Many transfers at once: who works on what, what is tried again and when, and who watches over it.

Runs in a process of its own. The main thread is the watchman: it keeps deadlines, the stall rule and
the pauses before another try, and it alone may give up on a thread that waits in a dead mount.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Sequence
from queue import SimpleQueue

from jobwrap.failures import JobwrapError
from jobwrap.transfer.apart import Link
from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.errand import Errand
from jobwrap.transfer.options import Options
from jobwrap.transfer.threads import Lock, Thread
from jobwrap.transfer.trouble import NO_SPACE, SCRATCH, Busy, Passing, Trouble

TICK = 0.25
_SOON = 0.03  # until another look at what another slot is fetching
_GRACE = 5.0  # in which a thread must return once its attempt was ended
_STOOD_STILL = 5.0  # a gap between two ticks that means: we were stopped, not the servers


class Crew:
    """Threads that work on errands until all are done, or one has finally failed."""

    def __init__(self, link: Link, options: Options) -> None:
        self._link, self._options = link, options
        self._errands: Sequence[Errand] = ()
        self._queue: SimpleQueue[Errand] = SimpleQueue()
        self._later: list[tuple[float, Errand]] = []
        self._attempts: dict[Attempt, Errand] = {}
        self._lock = Lock()
        self._news, self._wake = os.pipe()
        self._left = self._all = 0
        self._moved = 0  # bytes of errands that are done
        self._verdict: tuple[str, dict[str, str]] | None = None  # on the first errand that failed
        self._told = time.monotonic()
        self._over = False

    def run(self, errands: Sequence[Errand]) -> None:
        """Until all is said, or those who want the files are gone."""
        self._errands = errands
        self._left = self._all = len(errands)
        for errand in errands:
            self._queue.put(errand)
        for _ in range(min(self._options.parallel, len(errands))):
            self._hire()
        self._watch()

    def _hire(self) -> None:
        Thread(self._work)

    # --- the watchman ---

    def _watch(self) -> None:
        poll = select.poll()
        for descriptor in (self._news, self._link.alive):
            poll.register(descriptor, select.POLLIN)
        last = time.monotonic()
        while not self._over:
            for descriptor, _ in poll.poll(self._until_due() * 1000):
                if descriptor == self._link.alive:
                    return
                os.read(self._news, 4096)
            now = time.monotonic()
            self._call_due(now)
            self._watch_attempts(now, now - last if now - last > _STOOD_STILL else 0.0)
            self._tell_progress(now)
            last = now
        while poll.poll() and not select.select([self._link.alive], [], [], 0)[0]:
            os.read(self._news, 4096)  # what is held in the cache is held until those who want it hold it

    def _tell_progress(self, now: float) -> None:
        """(files, of, bytes, of) once a second; the last is None as long as some length is not known."""
        if now - self._told < 1.0:
            return
        self._told = now
        with self._lock:
            if self._over:
                return
            under_way = [(attempt.progress, attempt.total) for attempt in self._attempts]
            waiting = sum(errand.elsewhere for errand in self._errands)
            files, moved = self._all - self._left, self._moved + waiting + sum(one for one, _ in under_way)
            known = all(total is not None for _, total in under_way) and len(under_way) == self._left
            total = self._moved + sum(one or 0 for _, one in under_way) if known else None
            self._link.send(("progress", (files, self._all, moved, total)))

    def _until_due(self) -> float:
        with self._lock:
            first = min((when for when, _ in self._later), default=time.monotonic() + TICK)
        return max(0.0, min(TICK, first - time.monotonic()))

    def _call_due(self, now: float) -> None:
        with self._lock:
            due = [errand for when, errand in self._later if when <= now]
            self._later = [one for one in self._later if one[0] > now]
        for errand in due:
            self._queue.put(errand)

    def _watch_attempts(self, now: float, stood_still: float) -> None:
        with self._lock:
            attempts = list(self._attempts.items())
        for attempt, errand in attempts:
            if stood_still:
                attempt.forgive(stood_still)
            attempt.watch(now)
            if now - attempt.ended_at > _GRACE:
                self._abandon(attempt, errand)

    def _abandon(self, attempt: Attempt, errand: Errand) -> None:
        """Its thread hangs, and may do so for ever: another goes on in its stead."""
        with self._lock:
            if self._attempts.pop(attempt, None) is None:
                return
        errand.renew()
        errand.attempts += 1
        self._settle(errand, Passing(attempt.reason(OSError())))
        self._hire()

    # --- the workers ---

    def _work(self) -> None:
        try:
            while not self._over and self._work_on(self._queue.get()):
                pass
        except Exception as error:  # a defect here must not look like a wait
            self._fail("jobwrap.bug", {"problem": f"{type(error).__name__}: {error}"})

    def _work_on(self, errand: Errand) -> bool:
        """One try; False for a thread that was given up on, whose errand is another's now."""
        attempt = errand.attempt()
        with self._lock:
            self._attempts[attempt] = errand
        end: object
        try:
            end = errand.step(attempt)
        except Exception as error:  # whatever it is, the parent must hear of it
            end = error
        with self._lock:
            if self._attempts.pop(attempt, None) is None:
                return False
        errand.attempts += attempt.asked
        if not isinstance(end, Exception):
            self._moved += attempt.progress
        self._settle(errand, end)
        return True

    def _settle(self, errand: Errand, end: object) -> None:
        """What follows from the end of a try."""
        if not isinstance(end, Exception):
            self._done(end)
        elif isinstance(end, Busy):
            self._call(errand, _SOON)
        elif isinstance(end, JobwrapError):  # one that is beyond all places
            self._fail(end.failure.name, {name: str(fact) for name, fact in end.facts.items()})
        elif not isinstance(end, Trouble):
            self._fail("jobwrap.bug", {"problem": f"{type(end).__name__}: {end}"})
        elif end.kind in (NO_SPACE, SCRATCH):  # another place would not mend it
            errand.skip(end)
            self._give_up(errand)
        else:
            self._go_on(errand, end)

    def _go_on(self, errand: Errand, trouble: Trouble) -> None:
        pause = errand.failed(trouble)
        if pause is not None:
            self._call(errand, pause)
            return
        errand.skip(trouble)
        if errand.places:
            self._queue.put(errand)
        else:
            self._give_up(errand)

    def _call(self, errand: Errand, pause: float) -> None:
        with self._lock:
            self._later.append((time.monotonic() + pause, errand))
        os.write(self._wake, b".")

    def _done(self, told: object) -> None:
        with self._lock:
            if not self._over:
                self._link.send(told)
                self._left -= 1
                self._end_if_none_is_left()

    def _give_up(self, errand: Errand) -> None:
        """No place is left for it: an end for the others, too, if one without all is worth nothing."""
        with self._lock:
            if not self._over:
                self._verdict = self._verdict or errand.verdict()
                self._left = self._left - 1 if errand.worth_alone else 0
                self._end_if_none_is_left()

    def _end_if_none_is_left(self) -> None:
        if not self._left:
            self._link.send(("failed", *self._verdict) if self._verdict else ("over",))
            self._finish()

    def _fail(self, name: str, facts: dict[str, str]) -> None:
        with self._lock:
            if not self._over:
                self._link.send(("failed", name, facts))
                self._finish()

    def _finish(self) -> None:
        """All is said: only now may the watchman end the process."""
        self._over = True
        os.write(self._wake, b".")

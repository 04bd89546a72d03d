"""Watch one container from its start to its end: signals, the gate's word, the runtime's words, the time.

Nothing here polls: jobwrap sleeps until a descriptor has something or a deadline is there.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from jobwrap import libc
from jobwrap.failures import JobwrapError
from jobwrap.launch.clock import NEVER, Clock
from jobwrap.launch.gate import Gate, Said
from jobwrap.launch.keeper import Keeper, Kept, Start
from jobwrap.launch.tree import PATIENCE, kill_children, send_below
from jobwrap.signals import ENDING, Signals

if TYPE_CHECKING:
    from jobwrap.launch.standing import Standing
    from jobwrap.launch.watch import Watch

_WORDS = 64 << 10  # of the runtime's own words, the last ones are kept
_LOST = 30.0  # seconds for the keeper to end a container that never stood
_DRAIN = 1.0  # seconds for what is still to be read once all is over


class TaskEnd(NamedTuple):
    """How it ended, as far as it was seen; diagnose.py says what that means.

    said      what the gate told
    kept      what the keeper saw, None if it was killed itself
    words     the runtime's own stderr
    timed_out whether the time limit had run out
    ended_by  the number of the signal from outside that ended it, 0 without one
    seconds   from the opening of the gate to the end
    over      the limit for which jobwrap ended it, None without one
    moments   those of the gate
    stopped   of the seconds, those for which it was stopped
    """

    said: Said
    kept: Kept | None
    words: str
    timed_out: bool
    ended_by: int
    seconds: float
    over: JobwrapError | None = None
    moments: tuple[float, ...] = ()
    stopped: float = 0.0


class Container:
    """One container instance: started at once, its task held at the gate until open() is called.

    keeper  number of the process above all of it
    """

    def __init__(self, start: Start, gate: Gate, signals: Signals, grace: float) -> None:
        self._gate, self._signals, self._grace = gate, signals, grace
        self._words, words = os.pipe()
        self._heard = b""
        self._held: list[int] = []  # signals for the task, until its container stands
        self._over: JobwrapError | None = None
        self._lost_at = NEVER
        self._adopts = False
        try:
            self._keeper = Keeper(start._replace(error=words))
        finally:
            os.close(words)
            gate.close_child_ends()
        self.keeper = signals.keeper = self._keeper.pid

    def adopt(self) -> None:
        """What has no PID namespace to end with becomes ours, should the keeper be killed; before open()."""
        libc.adopt_orphans()
        self._adopts = True

    def open(self, settings: Iterable[tuple[str, str]]) -> None:
        """Lets the task start with these variables; from here on signals are the task's."""
        self._signals.raising = False
        self._gate.open(settings)

    def wait(self, limit: float | None, watch: Watch, standing: Standing) -> TaskEnd:
        """Waits until nothing of the container is left; limit is the task's wall time in seconds.

        A signal that ends the job, or a limit, is TERM to the task, and after the grace period KILL. What
        hangs where nothing can kill it is left.
        """
        clock = Clock(limit, self._grace)
        self._signals.stood = clock.was_stopped
        poll = select.poll()
        sources = {self._gate.status: self._gate.hear, self._words: self._hear_runtime}
        for descriptor in (*sources, self._signals.wake, self._keeper.report):
            poll.register(descriptor, select.POLLIN)
        kept, ended = None, 0.0  # when the keeper said so
        while not ended or sources:
            left = min(clock.left(), watch.left(), self._left(standing), _DRAIN if ended else NEVER)
            ready = _sleep(poll, clock, left)
            if not ready and ended and time.monotonic() >= ended + _DRAIN:
                break  # who holds them open can't be killed
            for descriptor in ready:
                if descriptor == self._keeper.report:
                    watch.close()
                    poll.unregister(descriptor)
                    self._signals.keeper = 0  # no other process may be taken for it
                    kept, ended = self._keeper.end(), time.monotonic()
                elif descriptor in sources and not sources[descriptor]():
                    poll.unregister(descriptor)
                    del sources[descriptor]
            self._hand_on(clock, watch)
            if not ended:
                self._doubt(standing)
            elif not kept:
                self._end_unkept()
        return self._end(kept, clock)

    def _end(self, kept: Kept | None, clock: Clock) -> TaskEnd:
        return TaskEnd(
            said=self._gate.said,
            kept=kept,
            words=self._runtimes_words(),
            timed_out=clock.timed_out,
            ended_by=self._signals.ended_by,
            seconds=time.monotonic() - clock.started,
            over=self._over,
            moments=tuple(self._gate.moments),
            stopped=clock.stopped,
        )

    def _hand_on(self, clock: Clock, watch: Watch) -> None:
        """Gives the task the signals that came, and those that its time and its use ask for."""
        for number in self._signals.take():
            self._held.append(number)
            if number in ENDING:
                clock.ask_to_end()
        number = clock.due()
        if number == signal.SIGKILL:
            self._keeper.send(number)  # for the whole container
        elif number:
            self._held.append(number)
        if watch.due() and watch.over and clock.ask_to_end():
            self._held.append(signal.SIGTERM)
            self._over = watch.over.failure
        self._give()

    def _give(self) -> None:
        """What is held, once the container stands: until then, the runtime may swallow it or end of it."""
        while self._held and self._gate.said.started:
            number = self._held.pop(0)
            # The gate gets it itself, since not every runtime hands signals on.
            if not self._gate.signal(number):
                self._keeper.send(number)

    def _left(self, standing: Standing) -> float:
        if self._gate.said.started:
            return NEVER
        return max(0.0, self._lost_at - time.monotonic()) if self._over else standing.left()

    def _doubt(self, standing: Standing) -> None:
        """Ends a container that will never stand."""
        if self._gate.said.started:
            return
        if not self._over:
            self._over = standing.problem()
            if self._over:
                self._keeper.send(signal.SIGKILL)
                self._lost_at = time.monotonic() + _LOST
        elif time.monotonic() >= self._lost_at:  # it hangs itself, where the runtime's program lies
            self._lost_at = NEVER
            os.kill(self._keeper.pid, signal.SIGKILL)

    def _end_unkept(self) -> None:
        """Somebody has killed the keeper: a task that would outlive jobwrap may not go on."""
        if self._gate.pid:
            send_below(self._gate.pid, signal.SIGKILL)
            self._gate.signal(signal.SIGKILL)
            self._gate.pid = 0
        if self._adopts:
            # It closes its descriptors before its children become ours; when it can be waited for, they are.
            os.waitid(os.P_PID, self._keeper.pid, os.WEXITED | os.WNOWAIT)
            kill_children(PATIENCE, self._is_ours)
            self._adopts = False

    def _is_ours(self, child: int) -> bool:
        """The keeper has left our session, and so is nothing of the task in it."""
        return child == self._keeper.pid or os.getsid(child) == os.getsid(0)

    def close(self) -> None:
        """Waits until the keeper has gone too, after wait()."""
        self._keeper.close()

    def abandon(self) -> str:
        """Ends the container whose task never started; the runtime's words so far."""
        self._gate.close()
        self._signals.keeper = 0
        self._keeper.close()
        poll = select.poll()
        poll.register(self._words, select.POLLIN)
        while poll.poll(_DRAIN * 1000) and self._hear_runtime():
            pass
        return self._runtimes_words()

    def _runtimes_words(self) -> str:
        return self._heard.decode(errors="replace")

    def _hear_runtime(self) -> bool:
        words = os.read(self._words, 65536)
        self._heard = (self._heard + words)[-_WORDS:]
        return bool(words)


def _sleep(poll: select.poll, clock: Clock, left: float) -> list[int]:
    """The descriptors that have something, or none when `left` seconds are over."""
    began, stopped = time.monotonic(), clock.stopped
    ready = [descriptor for descriptor, _ in poll.poll(None if left == NEVER else left * 1000 + 1)]
    clock.slept(left, time.monotonic() - began - (clock.stopped - stopped))
    return ready

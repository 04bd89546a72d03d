"""Many transfers at once: who works on what, what is tried again and when, and who watches over it.

Runs in a process of its own. The main thread is the watchman: it keeps deadlines, the stall rule and
the pauses before another try, and it alone may give up on a thread that waits in a dead mount.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING

from jobwrap.transfer.apart import Link
from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.options import Options
from jobwrap.transfer.protocols import SCHEMES, getter
from jobwrap.transfer.sink import Sink
from jobwrap.transfer.trouble import (
    CHECKSUM,
    DENIED,
    NO_SPACE,
    NOT_FOUND,
    SCHEME,
    SCRATCH,
    UNREACHABLE,
    Passing,
    Trouble,
)
from jobwrap.transfer.url import redact, scheme_of

if TYPE_CHECKING:
    from jobwrap.transfer.fetch import Wanted

TICK = 0.25
# Of what the places said, the one that the failure is named after: what most likely has to be mended.
_GRAVEST = (CHECKSUM, UNREACHABLE, DENIED, NOT_FOUND, SCHEME)


class Errand:
    """One wanted file on its way through its places."""

    def __init__(self, wanted: Wanted, index: int, part: str, options: Options) -> None:
        self.wanted, self.index = wanted, index
        self.places = list(wanted.places)
        self.tries = self.attempts = 0
        self.skipped: list[tuple[str, str]] = []
        self.kinds: set[str] = set()
        self.started = 0.0
        self.place_started = 0.0
        self.sink = Sink(part, wanted.path, wanted.checksum, options.fingerprint)

    def skip(self, trouble: Trouble) -> None:
        self.skipped.append((redact(self.places.pop(0)), trouble.why))
        self.kinds.add(trouble.kind)
        self.tries = 0


class Crew:
    """`probing` asks each place only whether it could be fetched, and writes nothing."""

    def __init__(self, link: Link, options: Options, probing: bool) -> None:
        self._link, self._options, self._probing = link, options, probing
        self._queue: SimpleQueue[Errand | None] = SimpleQueue()
        self._later: list[tuple[float, Errand]] = []
        self._attempts: set[Attempt] = set()
        self._lock = threading.Lock()
        self._news, self._wake = os.pipe()
        self._left = 0
        self._over = False

    def run(self, errands: Sequence[Errand]) -> None:
        self._left = len(errands)
        for errand in errands:
            self._queue.put(errand)
        for _ in range(min(self._options.parallel, len(errands))):
            threading.Thread(target=self._work, daemon=True).start()
        self._watch()

    def _watch(self) -> None:
        poll = select.poll()
        for descriptor in (self._news, self._link.alive):
            poll.register(descriptor, select.POLLIN)
        last = time.monotonic()
        while not self._over:
            for descriptor, _ in poll.poll(TICK * 1000):
                if descriptor == self._link.alive:
                    return  # those who wanted the files are gone
                os.read(self._news, 4096)
            now = time.monotonic()
            with self._lock:
                attempts = list(self._attempts)
                due = [errand for when, errand in self._later if when <= now]
                self._later = [one for one in self._later if one[0] > now]
            for errand in due:
                self._queue.put(errand)
            for attempt in attempts:
                if now - last > 20 * TICK:  # the whole node stood still, or we did
                    attempt.forgive(now - last)
                attempt.watch(now)
            last = now

    def _work(self) -> None:
        while not self._over:
            errand = self._queue.get()
            assert errand
            errand.started = errand.started or time.monotonic()
            try:
                self._step(errand)
            except Exception as error:  # the parent must hear of it, whatever it is
                self._fail("jobwrap.bug", {"problem": f"{type(error).__name__}: {error}"})

    def _step(self, errand: Errand) -> None:
        """One try at the errand's first place, and what follows from its end."""
        if not errand.places:
            self._give_up(errand)
            return
        attempt = Attempt(self._options, errand.tries)
        errand.attempts += 1
        with self._lock:
            self._attempts.add(attempt)
        try:
            checksum = self._bring(errand, attempt)
        except Passing as passing:
            self._again(errand, passing)
        except Trouble as trouble:
            if trouble.kind in (NO_SPACE, SCRATCH):
                self._give_up(errand, trouble)
                return
            errand.skip(trouble)
            self._queue.put(errand)
        else:
            self._done(errand, checksum)
        finally:
            with self._lock:
                self._attempts.discard(attempt)

    def _bring(self, errand: Errand, attempt: Attempt) -> tuple[str, str] | None:
        place = errand.places[0]
        scheme = scheme_of(place)
        protocol = getter(scheme)
        if protocol is None:
            raise Trouble(SCHEME, f"{scheme}: is not one of {', '.join(filter(None, SCHEMES))}")
        if self._probing:
            protocol.probe(place, attempt)
            return None
        protocol.get(place, errand.sink, attempt)
        return errand.sink.finish()

    def _again(self, errand: Errand, passing: Passing) -> None:
        errand.tries += 1
        pause = max(passing.after, self._pause(errand.tries))
        if errand.tries >= self._options.attempts or passing.after > self._options.longest_pause:
            errand.skip(passing)
            pause = 0
        with self._lock:
            self._later.append((time.monotonic() + pause, errand))
        os.write(self._wake, b".")

    def _pause(self, tries: int) -> float:
        """Doubling, and somewhere in the upper half of it, so that a thousand jobs do not come as one."""
        longest: float = min(self._options.pause * 2 ** (tries - 1), self._options.longest_pause)
        return longest * (0.5 + os.urandom(1)[0] / 512)

    def _done(self, errand: Errand, checksum: tuple[str, str] | None) -> None:
        seconds = time.monotonic() - errand.started
        source = redact(errand.places[0])
        size = errand.sink.offset
        said = (
            errand.wanted.name,
            source,
            size,
            seconds,
            errand.attempts,
            checksum,
            "",
            tuple(errand.skipped),
        )
        with self._lock:
            self._left -= 1
            self._link.send(("fetched", errand.index, said))
            if not self._left:
                self._link.send(("over",))
                self._finish()

    def _give_up(self, errand: Errand, trouble: Trouble | None = None) -> None:
        errand.sink.discard()
        folder = os.path.dirname(errand.wanted.path)
        places = "; ".join(f"{place}: {why}" for place, why in errand.skipped)
        if trouble and trouble.kind == SCRATCH:
            self._fail("site.scratch", {"path": folder, "problem": trouble.why})
            return
        kind = trouble.kind if trouble else next((one for one in _GRAVEST if one in errand.kinds), NOT_FOUND)
        schemes = sorted({scheme_of(place) for place in errand.wanted.places} - set(SCHEMES))
        facts = {"name": errand.wanted.name, "places": places, "scratch": folder}
        facts |= {"scheme": ", ".join(schemes), "known": ", ".join(filter(None, SCHEMES))}
        self._fail(f"input.{kind}", facts)

    def _fail(self, name: str, facts: dict[str, str]) -> None:
        with self._lock:
            if not self._over:
                self._link.send(("failed", name, facts))
                self._finish()

    def _finish(self) -> None:
        """All is said: only now may the watchman end the process."""
        self._over = True
        os.write(self._wake, b".")


def work(link: Link, wanted: Sequence[Wanted], parts: Sequence[str], options: Options, probing: bool) -> None:
    """The child's main function: run the errands and say how each ended."""
    errands = [Errand(one, index, parts[index], options) for index, one in enumerate(wanted)]
    Crew(link, options, probing).run(errands)

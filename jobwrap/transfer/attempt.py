"""One try at one place: what the protocol tells the watchman about it, and how the watchman ends it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from jobwrap.transfer.options import Options
from jobwrap.transfer.trouble import Passing

FOREVER = float("inf")


class Attempt:
    """A protocol calls within() before each step that moves no bytes, streaming() once they flow, counts
    them in `moved`, and registers with on_end() what frees its thread. All else is the watchman's.

    tries    how often this place was tried before
    checked  whether a checksum of the job's own will be held against what comes
    until    when the time for this file is over at all places
    etag     of a copy that the caller has: the protocol may raise Unchanged instead of bringing the file
    since    the same with a Last-Modified
    told     the ETag and the Last-Modified of what came, "" for none
    """

    def __init__(
        self, options: Options, tries: int = 0, checked: bool = False, until: float = FOREVER
    ) -> None:
        self.options, self.tries, self.checked = options, tries, checked
        self.etag = self.since = ""
        self.told = ("", "")
        self._until = until
        self.moved = 0
        self._hashed = 0
        self.total: int | None = None
        self.by_proxy = False
        self.asked = False  # whether anything was done beyond a look into the cache
        self.ended_at = FOREVER
        self._ended = ""
        self._free: Callable[[], object] | None = None
        self._step = "start"
        self._due = FOREVER
        self._marks: deque[tuple[float, int]] | None = None
        self._flowing = 0.0

    def within(self, seconds: float, step: str) -> None:
        """What comes next is `step` and must be over in `seconds`."""
        self._marks, self._step, self._due = None, step, time.monotonic() + seconds
        self.asked = True
        self._raise_if_ended()

    def streaming(self) -> None:
        """Bytes flow from here on: the stall rule counts."""
        self._due, self._flowing = FOREVER, time.monotonic()
        self._marks = deque()
        self._raise_if_ended()

    def on_end(self, free: Callable[[], object]) -> None:
        """`free` makes the protocol's thread return from whatever it waits in, with an OSError."""
        self._free = free
        self._raise_if_ended()

    def reason(self, error: Exception) -> str:
        """Why it came to `error`: the watchman's word where it was he."""
        return self._ended or str(error) or type(error).__name__

    @property
    def ended(self) -> bool:
        return bool(self._ended)

    def watch(self, now: float) -> None:
        """End this try if a deadline or the stall rule says so. The watchman's, called every tick."""
        if self._ended:
            return
        if now > self._until:
            self.end(f"its {self.options.deadline:g} s are over")
        elif now > self._due:
            self.end(f"{self._step} took too long")
        elif self._marks is not None and now - self._flowing > self.options.ramp_up:
            self._marks.append((now, self.moved))
            self._judge_rate(self._marks)

    def _judge_rate(self, marks: deque[tuple[float, int]]) -> None:
        now, moved = marks[-1]
        while len(marks) > 1 and now - marks[1][0] >= self.options.window:
            marks.popleft()
        then, before = marks[0]
        span = now - then
        if span >= self.options.window and moved - before < self.options.slowest * span:
            rate = (moved - before) / span / 1000
            self.end(f"it stalled: {rate:.1f} kB/s over {span:.0f} s, after {moved} bytes")

    def forgive(self, seconds: float) -> None:
        """The whole process stood still for so long, which is not the server's fault."""
        self._due += seconds
        self._until += seconds
        self._flowing += seconds
        if self._marks is not None:
            self._marks = deque()

    def count(self, bytes_moved: int) -> None:
        self.moved += bytes_moved

    def count_hashed(self, count: int) -> None:
        """Bytes that were only read: no stall, and nothing that has come or gone."""
        self.moved += count
        self._hashed += count

    @property
    def progress(self) -> int:
        """Bytes that have come or gone."""
        return self.moved - self._hashed

    def end(self, why: str) -> None:
        self._ended, self.ended_at = why, time.monotonic()
        if self._free:
            self._free()

    def _raise_if_ended(self) -> None:
        if self._ended:
            raise Passing(self._ended)

"""One wanted file on its way: place by place, try by try, until it lies where it is wanted."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.cache import Cache
from jobwrap.transfer.options import Options
from jobwrap.transfer.protocols import Protocol, protocol_of
from jobwrap.transfer.room import Room
from jobwrap.transfer.trouble import CHECKSUM, FORBIDDEN, Passing, PastCache, Trouble
from jobwrap.transfer.url import redact, scheme_of
from jobwrap.transfer.ways import Brought, ByCache, Straight

if TYPE_CHECKING:
    from jobwrap.transfer.fetch import Wanted

# An attempt that brought so much more than those before it does not count as one that failed.
_HEADWAY = 64 << 20
_ON_THE_NODE = ("", "file", "data")  # a copy in the cache would gain nothing


class Errand:
    """What the crew works on, one thread at a time. places[0] is where it is tried now."""

    def __init__(self, wanted: Wanted, index: int, part: str, options: Options, room: Room) -> None:
        self.wanted, self.index, self.part = wanted, index, part
        self.places = list(wanted.places)
        self.tries = self.attempts = 0
        self.skipped: list[tuple[str, str]] = []
        self.kinds: set[str] = set()
        self.started = 0.0
        self._options, self._room = options, room
        self._furthest = 0
        self._straight = Straight(wanted, part, room, options.fingerprint)
        self._by_cache: ByCache | None = None

    def use(self, caches: list[Cache]) -> None:
        """Go by way of these caches where that can serve: only sha256 finds a file there."""
        checksum = self.wanted.checksum
        if caches and caches[-1].ours and (checksum is None or checksum[0] == "sha256"):
            patience = self._options.ramp_up + self._options.window
            self._by_cache = ByCache(self.wanted, self.part, self._room, caches, patience)

    def attempt(self) -> Attempt:
        return Attempt(self._options, self.tries, checked=self.wanted.checksum is not None)

    def bring(self, attempt: Attempt) -> Brought:
        """One try at the place that is first now."""
        place = self.places[0]
        protocol = self._protocol(place)
        try:
            return self._bring(protocol, place, attempt)
        except Trouble as trouble:
            if trouble.kind == CHECKSUM and attempt.by_proxy:  # it is the proxy's copy that is wrong
                self.forget()
                raise Passing(trouble.why) from trouble
            raise

    def _bring(self, protocol: Protocol, place: str, attempt: Attempt) -> Brought:
        if self._by_cache and scheme_of(place) not in _ON_THE_NODE:
            try:
                return self._by_cache.bring(protocol, place, attempt)
            except PastCache:
                self._by_cache.forget()
                self._by_cache = None
        return self._straight.bring(protocol, place, attempt)

    def probe(self, attempt: Attempt) -> None:
        """Ask the place that is first now whether it has the file."""
        self._protocol(self.places[0]).probe(self.places[0], attempt)

    def _protocol(self, place: str) -> Protocol:
        scheme = scheme_of(place)
        allowed = self._options.schemes
        if allowed is not None and scheme.rpartition("+")[2] not in allowed:
            raise Trouble(FORBIDDEN, f"the site does not allow {scheme + ':' if scheme else 'paths'}")
        return protocol_of(scheme, self._options)

    def failed(self, trouble: Trouble) -> float | None:
        """After a failed try: the pause before the next one at this place, None to leave it."""
        self.tries += 1
        if not isinstance(trouble, Passing):
            return None
        if self._sink_offset() - self._furthest >= _HEADWAY:
            self.tries = 1
        self._furthest = max(self._furthest, self._sink_offset())
        late = time.monotonic() - self.started > self._options.deadline
        if late or self.tries >= self._options.attempts or trouble.after > self._options.longest_pause:
            return None
        return max(trouble.after, _jittered(self._options, self.tries))

    def _sink_offset(self) -> int:
        sink = (self._by_cache or self._straight).sink
        return sink.offset if sink else 0

    def skip(self, trouble: Trouble) -> None:
        """Leave the place that is first now for good."""
        self.skipped.append((redact(self.places.pop(0)), trouble.why))
        self.kinds.add(trouble.kind)
        self.tries = self._furthest = 0
        self.forget()

    def forget(self) -> None:
        """Leave nothing of what has come so far."""
        self._straight.forget()
        if self._by_cache:
            self._by_cache.forget()

    def renew(self) -> None:
        """A thread hangs in what it did for this errand: go on with nothing that it could still touch."""
        part = f"{self.part}.{self.attempts}"
        self._straight = Straight(self.wanted, part, self._room, self._options.fingerprint)
        self._by_cache = None


def _jittered(options: Options, tries: int) -> float:
    """Doubling, and somewhere in the upper half of it, so that a thousand jobs do not come as one."""
    longest: float = min(options.pause * 2 ** (tries - 1), options.longest_pause)
    return longest * (0.5 + os.urandom(1)[0] / 512)

"""Wanted files as errands: fetched through the node's cache or past it, or only asked for."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jobwrap.letters import scheme_of
from jobwrap.transfer import checksum, trouble
from jobwrap.transfer.apart import Link
from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.cache import Cache, open_caches
from jobwrap.transfer.crew import Crew
from jobwrap.transfer.errand import Errand
from jobwrap.transfer.options import Options
from jobwrap.transfer.protocols import Protocol
from jobwrap.transfer.room import Room
from jobwrap.transfer.schemes import KNOWN, SCHEMES
from jobwrap.transfer.trouble import CHECKSUM, Passing, PastCache, Trouble
from jobwrap.transfer.url import redact
from jobwrap.transfer.ways import Brought, ByCache, Straight

if TYPE_CHECKING:
    from jobwrap.transfer.fetch import Wanted

# An attempt that brought so much more than those before it does not count as one that failed.
_HEADWAY = 64 << 20
_ON_THE_NODE = ("", "file", "data")  # a copy in the cache would gain nothing

# Of what the places said, the failure is named after the first of these: what most likely has to be mended.
_ROWS = {
    trouble.SCRATCH: "site.scratch",
    trouble.NO_SPACE: "input.no_space",
    trouble.ARCHIVE: "input.archive",
    trouble.CHECKSUM: "input.checksum",
    trouble.UNREACHABLE: "input.unreachable",
    trouble.DENIED: "input.denied",
    trouble.NOT_FOUND: "input.not_found",
    trouble.FORBIDDEN: "policy.forbidden",
    trouble.SCHEME: "input.scheme",
}


class Inbound(Errand):
    """One wanted file."""

    def __init__(self, wanted: Wanted, index: int, part: str, options: Options, room: Room) -> None:
        super().__init__(wanted.places, options, checked=wanted.checksum is not None)
        if wanted.checksum:
            algorithm, digest = wanted.checksum
            wanted = wanted._replace(checksum=(checksum.name_of(algorithm), digest.lower()))
        self._wanted, self._index, self._part, self._room = wanted, index, part, room
        self.skipped = list(wanted.skipped)
        self._furthest = 0
        self._straight = Straight(wanted, part, room, options.fingerprint)
        self._by_cache: ByCache | None = None

    def use(self, caches: list[Cache]) -> None:
        """Go by way of these caches where that can serve: only a sha256 finds a file there."""
        wanted = self._wanted.checksum
        if caches and (wanted is None or wanted[0] == "sha256"):
            patience = self.options.ramp_up + self.options.window
            self._by_cache = ByCache(self._wanted, self._part, self._room, caches, patience)

    def step(self, attempt: Attempt) -> object:
        try:
            brought = self._bring(self.protocol(), self.places[0], attempt)
        except Trouble as one:
            if one.kind == CHECKSUM and attempt.by_proxy:  # it is the proxy's copy that is wrong
                self.forget()
                raise Passing(one.why) from one
            raise
        seconds = time.monotonic() - self.started
        source = (self._wanted.name, redact(self.places[0]), brought.bytes, seconds)
        how = (self.attempts + attempt.asked, brought.checksum, brought.cache, tuple(self.skipped))
        in_cache = brought.path != self._wanted.path
        return ("fetched", self._index, (*source, *how, brought.path), in_cache)

    def _bring(self, protocol: Protocol, place: str, attempt: Attempt) -> Brought:
        if self._by_cache and scheme_of(place) not in _ON_THE_NODE:
            try:
                return self._by_cache.bring(protocol, place, attempt)
            except PastCache:
                self._by_cache.forget()
                self._by_cache = None
        return self._straight.bring(protocol, place, attempt)

    @property
    def elsewhere(self) -> int:
        return self._by_cache.elsewhere if self._by_cache else 0

    def headway(self) -> bool:
        sink = (self._by_cache or self._straight).sink
        before, here = self._furthest, sink.offset if sink else 0
        self._furthest = max(before, here)
        return here - before >= _HEADWAY

    def forget(self) -> None:
        self._furthest = 0
        self._straight.forget()
        if self._by_cache:
            self._by_cache.forget()

    def renew(self) -> None:
        part = f"{self._part}.{self.attempts}"
        self._straight = Straight(self._wanted, part, self._room, self.options.fingerprint)
        self._by_cache = None

    def verdict(self) -> tuple[str, dict[str, str]]:
        return _verdict(self, self._wanted)


class Probe(Errand):
    """The question whether one wanted file could be fetched."""

    def __init__(self, wanted: Wanted, index: int, options: Options) -> None:
        super().__init__(wanted.places, options, checked=wanted.checksum is not None)
        self._wanted, self._index = wanted, index

    def step(self, attempt: Attempt) -> object:
        self.protocol().probe(self.places[0], attempt)
        return ("found", self._index)

    def verdict(self) -> tuple[str, dict[str, str]]:
        return _verdict(self, self._wanted)


def _verdict(errand: Errand, wanted: Wanted) -> tuple[str, dict[str, str]]:
    """The row's name, and facts for any of these rows."""
    kind = next((one for one in _ROWS if one in errand.kinds), trouble.NOT_FOUND)
    folder, told = os.path.dirname(wanted.path), errand.told()
    schemes = sorted({scheme_of(place) for place in wanted.places} - set(SCHEMES))
    return _ROWS[kind], {
        "name": wanted.name,
        "places": told,
        "scratch": folder,
        "path": folder,
        "problem": errand.skipped[-1][1] if errand.skipped else "",
        "scheme": ":, ".join(schemes),
        "known": KNOWN,
        "what": f"input {wanted.name} from any of its places",
        "rule": told,
    }


def fetch(link: Link, wanted: Sequence[Wanted], prefix: str, options: Options) -> None:
    """The child's main function; the names of what is in the making begin with `prefix`."""
    room = Room(options.room)
    errands = []
    for index, one in enumerate(wanted):
        part = os.path.join(os.path.dirname(one.path), f"{prefix}{index}.part")
        errands.append(Inbound(one, index, part, options, room))
    if options.cache:
        caches = open_caches(options.cache, options.cache_quota, options.cache_owners)
        for errand in errands:
            errand.use(caches)
    Crew(link, options).run(errands)


def probe(link: Link, wanted: Sequence[Wanted], options: Options) -> None:
    """The child's main function where nothing is to be read or written."""
    Crew(link, options).run([Probe(one, index, options) for index, one in enumerate(wanted)])

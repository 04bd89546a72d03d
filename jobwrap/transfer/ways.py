"""The two ways by which a file comes to where it is wanted: straight there, or by way of the node's cache."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING, NamedTuple

from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.cache import Cache, Claim, Held, of_url
from jobwrap.transfer.cachecare import make_room
from jobwrap.transfer.copying import copy
from jobwrap.transfer.protocols import Protocol
from jobwrap.transfer.room import Room
from jobwrap.transfer.sink import Sink, trouble_here
from jobwrap.transfer.trouble import NO_SPACE, SCRATCH, Busy, PastCache, Trouble, Unchanged

if TYPE_CHECKING:
    from jobwrap.transfer.fetch import Wanted


_FOR_THE_DISK = 10  # times as long as a slot may stand still, once it has all of the file


class Brought(NamedTuple):
    """A file that is there: its bytes, its digest, "hit" or "miss" of the cache, and where it lies."""

    bytes: int
    checksum: tuple[str, str] | None
    cache: str
    path: str


class Straight:
    """Past the cache: into a part beside its place."""

    def __init__(self, wanted: Wanted, part: str, room: Room, fingerprint: bool) -> None:
        self._wanted, self._part, self._room = wanted, part, room
        self.sink = Sink(part, room, wanted.checksum, ("sha256",) if fingerprint else ())

    def bring(self, protocol: Protocol, place: str, attempt: Attempt) -> Brought:
        protocol.get(place, self.sink, attempt)
        size, digests = self.sink.offset, self.sink.check()
        if self._wanted.unpack:
            _unpack(self._part, self._part + ".d", self._wanted.path, self._room)
            self.sink.forget()
        else:
            self.sink.put(self._wanted.path)
        return Brought(size, _of_record(self._wanted, digests), "", self._wanted.path)

    def forget(self) -> None:
        self.sink.forget()


class ByCache:
    """Into the cache, by one slot for all, and from there to its place.

    A file with a sha256 is found by it; one without is asked for under its URL, and the server must say
    that the copy is still right.

    elsewhere  bytes that another slot has of it, while that is waited for
    """

    def __init__(self, wanted: Wanted, part: str, room: Room, caches: list[Cache], patience: float) -> None:
        self._wanted, self._part, self._room = wanted, part, room
        self._caches, self._patience = caches, patience
        self._digest = wanted.checksum[1] if wanted.checksum else ""
        self._claim: Claim | None = None
        self._key = ""
        self.elsewhere, self._grew = 0, time.monotonic()
        self.sink: Sink | None = None

    def bring(self, protocol: Protocol, place: str, attempt: Attempt) -> Brought:
        """As the straight way's; also Busy and PastCache."""
        try:
            return self._bring(protocol, place, attempt)
        except Busy:
            self._check_growth(*self._caches[-1].arrived(self._digest or of_url(place)))
            raise
        except Trouble as trouble:
            if trouble.kind in (NO_SPACE, SCRATCH) and self._claim:
                raise PastCache(trouble.why) from trouble
            raise
        except OSError as error:
            raise PastCache(error.strerror) from error

    def _bring(self, protocol: Protocol, place: str, attempt: Attempt) -> Brought:
        held = self._find(self._digest)
        if held:
            return self._deliver(held, "hit")
        sink = self._claimed(self._digest or of_url(place))
        if self._digest:
            held = self._find(self._digest)  # it may have come between the look and the claim
            if held:
                return self._deliver(held, "hit")
            protocol.get(place, sink, attempt)
            return self._keep(place, sink)
        return self._renewed(protocol, place, sink, attempt)

    def _renewed(self, protocol: Protocol, place: str, sink: Sink, attempt: Attempt) -> Brought:
        """What the URL gave last, if its server says that it is still so, and what it gives now otherwise."""
        digest, etag = self._caches[-1].known(place) or ("", "")
        held = None if sink.offset else self._find(digest)
        attempt.etag = etag if held else ""
        try:
            protocol.get(place, sink, attempt)
        except Unchanged:
            assert held
            return self._deliver(held, "hit")
        except BaseException:
            if held:
                os.close(held.file)
            raise
        if held:
            os.close(held.file)
        return self._keep(place, sink)

    def _find(self, digest: str) -> Held | None:
        return next(filter(None, (cache.find(digest) for cache in self._caches)), None) if digest else None

    def _claimed(self, key: str) -> Sink:
        """The claim on `key` and the sink that writes to it; Busy while another slot has it."""
        if self._claim and self._key != key:
            self.forget()
        if not self._claim:
            cache = self._caches[-1]
            if not cache.ours:
                raise PastCache("it is another's to fill")
            self._claim, self._key = cache.claim(key), key
            if not self._claim:
                raise Busy
            self.elsewhere = 0
            part, file = self._claim.path, self._claim.file
            self.sink = Sink(part, CacheRoom(cache), self._wanted.checksum, ("sha256",), file)
        assert self.sink
        return self.sink

    def _check_growth(self, size: int, whole: bool) -> None:
        now, patience = time.monotonic(), self._patience * (_FOR_THE_DISK if whole else 1)
        if size != self.elsewhere:
            self._grew, self.elsewhere = now, size
        elif now - self._grew > patience:
            raise PastCache("the slot that fetches it stands still")

    def _keep(self, place: str, sink: Sink) -> Brought:
        assert self._claim
        digest, version = sink.check()["sha256"], sink.version
        held = self._claim.keep(digest)
        self._claim = None
        sink.forget()
        if not self._digest and version:
            self._caches[-1].note(place, digest, version)
        return self._deliver(held, "miss")

    def _deliver(self, held: Held, came_by: str) -> Brought:
        """To its place; one that the caller binds stays where it is, and held."""
        self.forget()
        wanted, path = self._wanted, held.path
        if not wanted.shared:
            path = wanted.path
            try:
                if wanted.unpack:
                    _unpack(held.path, self._part + ".d", path, self._room)
                else:
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                    self._room.claim(os.path.dirname(path), held.size)
                    copy(held.file, self._part, path, held.size)
            except OSError as error:
                raise trouble_here(error) from error
            finally:
                os.close(held.file)
        return Brought(held.size, ("sha256", held.digest), came_by, path)

    def forget(self) -> None:
        self.elsewhere = 0
        if self.sink:
            self.sink.forget()
            self.sink = None
        if self._claim:
            self._claim.drop()
            self._claim = None


class CacheRoom:
    """Room in the cache, made by eviction; PastCache where there cannot be enough."""

    _STEP = 64 << 20  # of a file whose length is not known

    def __init__(self, cache: Cache) -> None:
        self._cache, self._granted = cache, 0

    def claim(self, where: int, size: int) -> None:
        if size > self._granted:
            grant = max(size, self._STEP)
            if not make_room(self._cache, grant) and not make_room(self._cache, size):
                raise PastCache("it does not fit")
            self._granted = grant
        self._granted -= size

    def give_back(self, size: int) -> None:
        pass  # what is not written is not missed


def _of_record(wanted: Wanted, digests: dict[str, str]) -> tuple[str, str] | None:
    if wanted.checksum:
        return wanted.checksum[0], digests[wanted.checksum[0]]
    return next(iter(sorted(digests.items(), key=lambda one: one[0] != "sha256")), None)


def _rename_folder(part: str, path: str) -> None:
    """Gives the folder its name, in place of one that an earlier start of the job has left there."""
    try:
        os.rename(part, path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        import shutil

        os.rename(path, earlier := f"{part}.earlier")
        os.rename(part, path)
        shutil.rmtree(earlier, ignore_errors=True)


def _unpack(archive: str, part: str, path: str, room: Room) -> None:
    from jobwrap.transfer.archive import unpack

    try:
        unpack(archive, part, room)
        _rename_folder(part, path)
    except BaseException as error:
        import shutil

        shutil.rmtree(part, ignore_errors=True)
        if isinstance(error, OSError):
            raise trouble_here(error) from error
        raise

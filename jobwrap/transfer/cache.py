"""The node's cache: files by their sha256, shared by all slots of the node.

    objects/ab/cdef…   whole and checked; read-only; a shared lock is held by each who uses it
    incoming/KEY       being fetched by the one who holds its exclusive lock
    urls/KEY           what a URL without a checksum gave last: sha256 and ETag

Locks are flock's: the kernel lets go of them when their holder dies, however it dies. A file that was
changed after it was checked no longer has the time stamp SEAL and is thrown away; `jobwrap cache check`
reads the content itself. Its owner could forge both, so a cache is used only if it is our own, or belongs
to a user whom the site trusts, and nobody else can write to it.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from typing import NamedTuple

from jobwrap.letters import is_hex

# The modification time of every object: in September 2001, and not of any file that was written to since.
SEAL = 1_000_000_000
DIGITS = 64  # of a digest
OPEN = os.O_CLOEXEC | os.O_NOFOLLOW
_MOMENT, _MOMENTS = 0.01, 100  # seconds, and how many of them


class Held(NamedTuple):
    """An object that cannot be evicted as long as `file`, a descriptor with a shared lock, is open."""

    digest: str
    path: str
    file: int
    size: int


class Cache:
    """One folder. `ours`: objects may be added and removed; otherwise they are only read."""

    def __init__(self, folder: str, ours: bool, quota: int | None = None) -> None:
        self.folder, self.ours = folder, ours
        self.quota = quota
        if ours:
            for name in ("objects", "incoming", "urls"):
                os.makedirs(os.path.join(folder, name), mode=0o755, exist_ok=True)

    def path_of(self, digest: str) -> str:
        return os.path.join(self.folder, "objects", digest[:2], digest[2:])

    def find(self, digest: str) -> Held | None:
        """The object with this sha256, held; None without one."""
        path = self.path_of(digest)
        try:
            file = os.open(path, os.O_RDONLY | OPEN)
        except FileNotFoundError:
            return None
        seen = os.fstat(file)
        sealed = stat.S_ISREG(seen.st_mode) and int(seen.st_mtime) == SEAL and not seen.st_mode & 0o222
        if sealed and _lock_soon(file) and is_at(path, file):
            self._touch(path)
            return Held(digest, path, file, seen.st_size)
        os.close(file)
        if not sealed:
            self.remove(digest)
        return None

    def _touch(self, path: str) -> None:
        """Note the use of an object; by hand, since file systems are mounted noatime."""
        if self.ours:
            os.utime(path, (time.time(), SEAL))

    def claim(self, key: str) -> Claim | None:
        """The right to fetch what `key` (a digest, or of_url()) names; None while another slot has it."""
        path = os.path.join(self.folder, "incoming", key)
        while True:
            try:
                file = os.open(path, os.O_RDWR | os.O_CREAT | OPEN, 0o644)
            except PermissionError:  # it is whole, and read-only before it is put in place
                if not os.access(os.path.dirname(path), os.W_OK):
                    raise
                if not _forget_if_dead(path):
                    return None
                continue
            if not lock(file, fcntl.LOCK_EX):
                os.close(file)
                return None
            if is_at(path, file):
                return Claim(self, path, file)
            os.close(file)  # its holder was done with it in between

    def arrived(self, key: str) -> tuple[int, bool]:
        """Bytes that whoever fetches `key` has so far, and whether that is all of it."""
        try:
            seen = os.stat(os.path.join(self.folder, "incoming", key))
            return seen.st_size, not seen.st_mode & 0o222
        except OSError:
            return 0, False

    def remove(self, digest: str) -> bool:
        """Throw an object away unless it is in use."""
        path = self.path_of(digest)
        try:
            file = os.open(path, os.O_RDONLY | OPEN)
        except OSError:
            return False
        try:
            if not self.ours or not lock(file, fcntl.LOCK_EX) or not is_at(path, file):
                return False
            os.unlink(path)
            return True
        finally:
            os.close(file)

    def known(self, url: str) -> tuple[str, str] | None:
        """(sha256, ETag) of what `url` gave last."""
        try:
            with open(os.path.join(self.folder, "urls", of_url(url)), encoding="ascii") as file:
                digest, etag = file.read().splitlines()
        except (OSError, ValueError):
            return None
        return (digest, etag) if is_hex(digest, DIGITS) else None

    def note(self, url: str, digest: str, etag: str) -> None:
        """Remember what `url` gave, for who asks its server whether that is still so."""
        path = os.path.join(self.folder, "urls", of_url(url))
        part = f"{path}.{os.getpid()}"
        with open(part, "w", encoding="ascii") as file:
            file.write(f"{digest}\n{etag}\n")
        os.replace(part, path)


class Claim:
    """The exclusive right to one file of incoming/, which `file` is open for."""

    def __init__(self, cache: Cache, path: str, file: int) -> None:
        self._cache, self.path, self.file = cache, path, file

    def keep(self, digest: str) -> Held:
        """What was written has this sha256: make it an object, and hold it."""
        os.fchmod(self.file, 0o444)  # tells those who wait that all has come: a disk may take its time
        os.fsync(self.file)
        size = os.fstat(self.file).st_size
        os.utime(self.file, (time.time(), SEAL))
        path = self._cache.path_of(digest)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.rename(self.path, path)
        fcntl.flock(self.file, fcntl.LOCK_SH)  # before a busy disk is waited for: others want it now
        _sync_folder(os.path.dirname(path))
        return Held(digest, path, self.file, size)

    def drop(self) -> None:
        """Leave it to others, and nothing of what has come."""
        os.unlink(self.path)
        os.close(self.file)


def _forget_if_dead(path: str) -> bool:
    """Remove a read-only file whose holder has died; False while he lives."""
    try:
        file = os.open(path, os.O_RDONLY | OPEN)
    except FileNotFoundError:
        return True  # he has put it in place
    try:
        if not lock(file, fcntl.LOCK_EX):
            return False
        if is_at(path, file):
            os.unlink(path)
        return True
    finally:
        os.close(file)


def of_url(url: str) -> str:
    """The key of a URL."""
    import hashlib  # 4 ms, which a job that finds its inputs by their digests can do without

    return hashlib.sha256(url.encode("utf-8", "surrogateescape")).hexdigest()


def open_caches(folder: str, quota: int | None, owners: tuple[int, ...]) -> list[Cache]:
    """The caches to ask, in order; the last is the one to fill, if it is ours. [] where none can be trusted.

    A folder of our own is the cache. In one that several users can write to, as /tmp is, each has his
    own folder u<uid>; one that belongs to a trusted user is read.
    """
    uid = os.getuid()
    if _is_private(folder, uid):
        return _opened(folder, quota)
    found = []
    if any(_is_private(folder, owner) for owner in owners) and os.path.isdir(os.path.join(folder, "objects")):
        found.append(Cache(folder, ours=False))
    own = os.path.join(folder, f"u{uid}")
    try:
        os.mkdir(own, 0o700)
    except OSError:
        pass  # it is there, or we may not
    return found + (_opened(own, quota) if _is_private(own, uid) else [])


def _opened(folder: str, quota: int | None) -> list[Cache]:
    try:
        return [Cache(folder, ours=True, quota=quota)]
    except OSError:
        return []  # a full disk, or one that is read-only


def _is_private(folder: str, owner: int) -> bool:
    try:
        seen = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(seen.st_mode) and seen.st_uid == owner and not seen.st_mode & 0o022


def _lock_soon(file: int) -> bool:
    """A shared lock: another slot has one of its own only for the moment of putting in place or removing."""
    for _ in range(_MOMENTS):
        if lock(file, fcntl.LOCK_SH):
            return True
        time.sleep(_MOMENT)
    return False


def lock(file: int, kind: int) -> bool:
    """False while another holds it; OSError on a file system without locks."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def is_at(path: str, file: int) -> bool:
    """Whether `path` still names the open file: what was locked may have been removed or renamed before."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(file))
    except OSError:
        return False


def _sync_folder(path: str) -> None:
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

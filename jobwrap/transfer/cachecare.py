"""Care of the node's cache: what it holds, how much that may be, what has to go, what is rotten."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from typing import NamedTuple

from jobwrap.letters import is_hex
from jobwrap.transfer import checksum
from jobwrap.transfer.cache import DIGITS, OPEN, Cache, lock


class Entry(NamedTuple):
    """An object as `jobwrap cache list` shows it; `used` is seconds since the epoch."""

    digest: str
    path: str
    size: int
    used: float


def entries(cache: Cache) -> list[Entry]:
    """All objects, the least recently used first."""
    found = []
    for digest, path in _objects(cache):
        try:
            seen = os.lstat(path)
        except OSError:
            continue  # removed meanwhile
        found.append(Entry(digest, path, seen.st_size, seen.st_atime))
    return sorted(found, key=lambda one: one.used)


def _objects(cache: Cache) -> Iterator[tuple[str, str]]:
    top = os.path.join(cache.folder, "objects")
    for prefix in _listed(top):
        for rest in _listed(os.path.join(top, prefix)):
            if is_hex(prefix + rest, DIGITS):
                yield prefix + rest, os.path.join(top, prefix, rest)


def quota(cache: Cache) -> int:
    """Bytes that objects may take; half of the file system where the site says nothing."""
    if cache.quota is not None:
        return cache.quota
    where = os.statvfs(cache.folder)
    return where.f_blocks * where.f_frsize // 2


def make_room(cache: Cache, size: int) -> bool:
    """Evict until `size` more bytes fit, in the quota and on the disk; whether they do."""
    most = quota(cache)
    if size > most:
        return False
    if _missing(cache, size, most) > 0:
        sweep(cache)
    missing = _missing(cache, size, most)
    kept = sum(one.size for one in entries(cache))
    return shrink(cache, kept - missing) if missing > 0 else True


def _missing(cache: Cache, size: int, most: int) -> int:
    """Bytes that have to go before `size` more fit; what is on its way takes room, too."""
    where = os.statvfs(cache.folder)
    under_way = sum(cache.arrived(name)[0] for name in _listed(os.path.join(cache.folder, "incoming")))
    used = sum(one.size for one in entries(cache)) + under_way
    return max(size - where.f_bavail * where.f_frsize, used + size - most)


def shrink(cache: Cache, keep: int) -> bool:
    """Remove what was not used for longest and is not in use, until at most `keep` bytes are left."""
    found = entries(cache)
    used = sum(one.size for one in found)
    for one in found:
        if used <= keep:
            break
        if cache.remove(one.digest):
            used -= one.size
    return used <= keep


def in_use(cache: Cache, digest: str) -> bool:
    """Whether some slot holds the object."""
    try:
        file = os.open(cache.path_of(digest), os.O_RDONLY | OPEN)
    except OSError:
        return False
    try:
        return not lock(file, fcntl.LOCK_EX)
    finally:
        os.close(file)


def is_right(cache: Cache, digest: str) -> bool:
    """Whether an object still has the content it was checked for; reads all of it."""
    held = cache.find(digest)
    if held is None:
        return False
    try:
        return checksum.of_file(held.path, "sha256") == digest
    finally:
        os.close(held.file)


def sweep(cache: Cache) -> int:
    """Remove what dead slots left half fetched; how many files that was."""
    count = 0
    for name in _listed(os.path.join(cache.folder, "incoming")):
        claim = cache.claim(name)
        if claim:
            claim.drop()
            count += 1
    return count


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []

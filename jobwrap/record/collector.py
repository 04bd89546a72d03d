"""Post records to a collector; what it did not take waits in the site's cache for the next job on this node.

Runs in a child with a deadline (node/probe.py). A collector may get a record twice: its id tells.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import time
import zlib
from collections.abc import Iterator
from typing import Any

from jobwrap import __version__

_CONNECT, _ANSWER = 3.0, 6.0  # seconds
_OLDEST = 7 * 86400.0  # seconds that a record waits
_MOST = 1000  # records that wait, of one user


def post(url: str, record: dict[str, Any], spool: str) -> str:
    """Posts the record, then those for this URL that wait in the spool folder; the problem, "" for none."""
    problem = _post(url, record)
    if problem:
        return problem
    for path, waiting in _waiting(url, spool):
        if _post(url, waiting):
            break
        os.unlink(path)
    return ""


def keep(url: str, record: dict[str, Any], spool: str) -> str:
    """Puts a record into the spool for the next job that posts to this URL; what became of it, in words."""
    if not spool:
        return "there is no cache to keep it in"
    try:
        os.makedirs(spool, mode=0o700, exist_ok=True)
        if not _is_ours(spool) or len(os.listdir(spool)) >= _MOST:
            return f"it could not be kept: {spool} is not ours, or full"
        path = os.path.join(spool, f"{record['id']}-{zlib.crc32(url.encode()):08x}.json")
        with open(f"{path}.new", "w", encoding="utf-8", opener=_private) as file:
            json.dump({"url": url, "record": record}, file)
        os.rename(f"{path}.new", path)
    except OSError as error:
        return f"it could not be kept: {error.strerror}"
    return "the next job on this node tries again"


def spool_of(cache: str) -> str:
    """The folder of waiting records: each user's own, as the cache is everybody's."""
    return os.path.join(cache, f"spool-{os.getuid()}") if cache else ""


def _post(url: str, record: dict[str, Any]) -> str:
    import requests  # 0.2 s, and only where there is a collector

    try:
        answer = requests.post(
            url,
            json=record,
            headers={"User-Agent": f"jobwrap/{__version__}"},
            timeout=(_CONNECT, _ANSWER),
            allow_redirects=False,  # a POST that is redirected becomes a GET
        )
    except requests.RequestException as error:
        slow = isinstance(error, requests.Timeout)
        return "it did not answer in time" if slow else "it cannot be reached"
    return "" if answer.ok and not answer.is_redirect else f"it answered {answer.status_code}"


def _waiting(url: str, spool: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The waiting records for this URL, oldest first, while no other job posts them; too old ones go."""
    if not spool or not _is_ours(spool):
        return
    folder = os.open(spool, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        names = [name for name in os.listdir(spool) if name.endswith(".json")]
        for path in sorted((os.path.join(spool, name) for name in names), key=os.path.getmtime):
            if os.path.getmtime(path) < time.time() - _OLDEST:
                os.unlink(path)
                continue
            with open(path, encoding="utf-8") as file:
                kept = json.load(file)
            if kept["url"] == url:
                yield path, kept["record"]
    except (BlockingIOError, FileNotFoundError):
        pass  # another job is at it
    finally:
        os.close(folder)


def _is_ours(folder: str) -> bool:
    """The cache is everybody's: in another's folder there, others could read our records."""
    try:
        seen = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.getuid()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

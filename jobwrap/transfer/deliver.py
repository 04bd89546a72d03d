"""Deliver one file to where it should end up: under a temporary name, then moved where that can be done."""

from __future__ import annotations

import os
import time
from typing import NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.transfer.options import Options
from jobwrap.transfer.url import redact, scheme_of

_BLOCK = 1 << 20


class Delivered(NamedTuple):
    """url is where it lies now, without secrets."""

    url: str
    bytes: int
    seconds: float
    attempts: int


def deliver(path: str, url: str, options: Options, checksum: tuple[str, str] | None = None) -> Delivered:
    """Bring the file `path` to `url`; `checksum` is what it must have on arrival, where that can be asked.

    JobwrapError output.undelivered, or OSError where `path` itself cannot be read.
    """
    started = time.monotonic()
    if scheme_of(url) not in ("", "file"):
        raise JobwrapError(
            "output.undelivered", name=path, url=redact(url), problem="its protocol is not known"
        )
    from jobwrap.transfer.protocols.local import path_of

    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = _put_local(source, path_of(url))
    except OSError as error:
        problem = error.strerror or str(error)
        raise JobwrapError("output.undelivered", name=path, url=redact(url), problem=problem) from error
    finally:
        os.close(source)
    return Delivered(redact(url), size, time.monotonic() - started, 1)


def _put_local(source: int, path: str) -> int:
    part = os.path.join(os.path.dirname(path), f".jobwrap-{os.getpid()}.part")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    target = os.open(part, flags, 0o666)
    try:
        size = 0
        while block := os.read(source, _BLOCK):
            view = memoryview(block)
            while view:
                view = view[os.write(target, view) :]
            size += len(block)
        os.fsync(target)
        os.rename(part, path)
    except OSError:
        os.unlink(part)
        raise
    finally:
        os.close(target)
    return size

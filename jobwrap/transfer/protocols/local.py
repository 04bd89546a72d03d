"""Paths of the node and file: URLs: copied, by one who wants the file to be his own."""

from __future__ import annotations

import errno
import os
import stat

from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.copying import copy
from jobwrap.transfer.sink import Sink
from jobwrap.transfer.source import Source
from jobwrap.transfer.trouble import DENIED, NOT_FOUND, UNREACHABLE, Passing, Trouble
from jobwrap.transfer.url import path_of

_MEANING = {
    errno.ENOENT: (NOT_FOUND, "there is no such file"),
    errno.ENOTDIR: (NOT_FOUND, "there is no such file"),
    errno.EACCES: (DENIED, "it may not be read"),
    errno.EPERM: (DENIED, "it may not be read"),
    errno.ELOOP: (NOT_FOUND, "its links go in a circle"),
    errno.EISDIR: (NOT_FOUND, "there is a folder of that name"),
    errno.EROFS: (DENIED, "its file system is read-only"),
    errno.ENOSPC: (UNREACHABLE, "no space is left there"),
    errno.EDQUOT: (UNREACHABLE, "the quota there is used up"),
}


def get(place: str, sink: Sink, attempt: Attempt) -> None:
    attempt.within(attempt.options.answer, "opening it")
    source, size = _open(place)
    try:
        sink.begin(size)
        attempt.total = size
        attempt.streaming()
        while count := os.readv(source, [sink.space()]):
            attempt.moved += count
            sink.filled(count)
    except OSError as error:
        raise _trouble(error) from error
    finally:
        os.close(source)


def probe(place: str, attempt: Attempt) -> None:
    attempt.within(attempt.options.answer, "opening it")
    os.close(_open(place)[0])


def put(source: Source, place: str, attempt: Attempt) -> None:
    """Beside its place first and onto the disk, then under its name: what is there is whole."""
    try:
        path = path_of(place)
    except ValueError as error:
        raise Trouble(NOT_FOUND, str(error)) from error
    part = os.path.join(os.path.dirname(path), source.aside)
    attempt.within(attempt.options.deadline, "writing it")
    try:
        copy(source.file, part, path, source.size, sync=True)
    except OSError as error:
        _remove(part)
        raise _trouble(error) from error


def _remove(part: str) -> None:
    try:
        os.unlink(part)
    except OSError:
        pass  # it was never made


def _open(place: str) -> tuple[int, int]:
    """A descriptor and the size. Not blocking, so that a FIFO is named and not waited for."""
    try:
        source = os.open(path_of(place), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except ValueError as error:
        raise Trouble(NOT_FOUND, str(error)) from error
    except OSError as error:
        raise _trouble(error) from error
    seen = os.fstat(source)
    if not stat.S_ISREG(seen.st_mode):
        os.close(source)
        raise Trouble(NOT_FOUND, "it is a folder" if stat.S_ISDIR(seen.st_mode) else "it is not a file")
    return source, seen.st_size


def _trouble(error: OSError) -> Trouble:
    if error.errno in _MEANING:
        return Trouble(*_MEANING[error.errno])
    return Passing(error.strerror or str(error))

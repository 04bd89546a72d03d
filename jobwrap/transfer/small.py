"""One small file, at once: what jobwrap itself has to read, such as a site's catalog, and no input.

For a child that can be killed (node/probe.py): of all that a crew does for many files only the tries and
a watchman are left.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.options import Options
from jobwrap.transfer.protocols import protocol_of
from jobwrap.transfer.room import Room
from jobwrap.transfer.sink import Sink
from jobwrap.transfer.trouble import Passing, Unchanged

_TICK = 0.1  # seconds


class Small(NamedTuple):
    """What came, and by what its server knows it: its ETag and its Last-Modified, "" for none."""

    content: bytes
    etag: str
    modified: str


def bring(place: str, folder: str, options: Options, known: tuple[str, str] = ("", "")) -> Small | None:
    """The file at `place`, of at most options.room bytes; None if the one that is known is still right.

    known: the ETag and the Last-Modified of that one. Parts lie in `folder` meanwhile. Trouble where it
    cannot be had.
    """
    tries = 0
    while True:
        attempt = Attempt(options, tries)
        attempt.etag, attempt.since = known
        try:
            return _bring(place, os.path.join(folder, "part"), attempt)
        except Unchanged:
            return None
        except Passing:
            tries += 1
            if tries >= options.attempts:
                raise
        time.sleep(options.pause * 2 ** (tries - 1))


def _bring(place: str, part: str, attempt: Attempt) -> Small:
    sink = Sink(part, Room(attempt.options.room))
    try:
        with watched(attempt):
            protocol_of(place).get(place, sink, attempt)
        sink.check()
        with open(part, "rb") as file:
            return Small(file.read(), *attempt.told)
    finally:
        sink.forget()


@contextlib.contextmanager
def watched(attempt: Attempt) -> Iterator[None]:
    """Ends an attempt that takes too long for what it does."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_TICK):
            attempt.watch(time.monotonic())

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        over.set()

"""One module a protocol, each with the functions of Protocol; the table says which serves a scheme.

Belongs here: how bytes are asked for and sent in one protocol. Does not: trying again, other places,
deadlines, checksums; the crew, the watchman and the sink see to these for all.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.sink import Sink

SCHEMES = {
    "": "local",
    "file": "local",
    "http": "http",
    "https": "http",
    "data": "data",
}


class Getter(Protocol):
    """What each module offers. Trouble and OSError are the two ways to fail."""

    def get(self, place: str, sink: Sink, attempt: Attempt) -> None:
        """Bring the bytes of `place` into `sink`, which the caller finishes."""

    def probe(self, place: str, attempt: Attempt) -> None:
        """Ask whether get() would find the file, and read none of it."""


def getter(scheme: str) -> Getter | None:
    """The module that serves `scheme`, or None."""
    name = SCHEMES.get(scheme)
    return cast(Getter, import_module(f"{__name__}.{name}")) if name else None

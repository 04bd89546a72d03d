"""One module a protocol, each with the functions of Protocol; schemes.py says which serves what.

Belongs here: how bytes are asked for and sent in one protocol. Does not: trying again, other places,
deadlines, checksums; the errand, the watchman and the sink see to these for all.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any
from typing import Protocol as Structure

from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.schemes import server_of
from jobwrap.transfer.sink import Sink
from jobwrap.transfer.source import Source


class Protocol(Structure):
    """What each module offers. It raises Trouble, or Passing where another try may help."""

    def get(self, place: str, sink: Sink, attempt: Attempt) -> None:
        """Bring the bytes of `place` into `sink`, which the caller checks and puts in place."""

    def probe(self, place: str, attempt: Attempt) -> None:
        """Ask whether get() would find the file, and read none of it."""

    def put(self, source: Source, place: str, attempt: Attempt) -> None:
        """Bring `source` to `place`, under another name first where that can be moved."""


def protocol_of(place: str) -> Protocol:
    """The module that serves a place."""
    module: Any = import_module(f"{__name__}.{server_of(place)}")
    protocol: Protocol = module
    return protocol

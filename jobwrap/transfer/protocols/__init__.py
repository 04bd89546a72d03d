"""One module a protocol, each with the functions of Protocol; the table says which serves a scheme.

Belongs here: how bytes are asked for and sent in one protocol. Does not: trying again, other places,
deadlines, checksums; the errand, the watchman and the sink see to these for all.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any
from typing import Protocol as Structure

from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.sink import Sink
from jobwrap.transfer.source import Source

SCHEMES = {
    "": "local",
    "file": "local",
    "http": "http",
    "https": "http",
    "dav": "http",
    "davs": "http",
    "osdf": "osdf",
    "pelican": "osdf",
    "stash": "osdf",
    "root": "xroot",
    "roots": "xroot",
    "xroot": "xroot",
    "xroots": "xroot",
    "s3": "s3",
    "data": "data",
}
_OTHERS = "plugin"


class Protocol(Structure):
    """What each module offers. It raises Trouble, or Passing where another try may help."""

    def get(self, place: str, sink: Sink, attempt: Attempt) -> None:
        """Bring the bytes of `place` into `sink`, which the caller checks and puts in place."""

    def probe(self, place: str, attempt: Attempt) -> None:
        """Ask whether get() would find the file, and read none of it."""

    def put(self, source: Source, place: str, attempt: Attempt) -> None:
        """Bring `source` to `place`, under another name first where that can be moved."""


def protocol_of(scheme: str) -> Protocol:
    """The module that serves `scheme`."""
    name = SCHEMES.get(scheme.rpartition("+")[2], _OTHERS)
    module: Any = import_module(f"{__name__}.{name}")
    protocol: Protocol = module
    return protocol

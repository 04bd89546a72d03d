"""The head of an answer in HTTP/1.1: its status and its headers."""

from __future__ import annotations

import re
from typing import NamedTuple

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: ([^\r\n]*))?\r?\n")


class BadAnswer(OSError):
    """The other side does not speak HTTP as it should, or broke off."""


class Answer(NamedTuple):
    """Status and headers, whose names are in lower case; several of one name are joined by ", "."""

    status: int
    reason: str
    headers: dict[str, str]

    def number(self, name: str) -> int | None:
        """A header that holds a number; None where it is absent or does not."""
        said = self.headers.get(name, "")
        return int(said) if said.isdecimal() and said.isascii() else None


def parse_head(head: bytes) -> Answer:
    """The Answer whose lines these are, up to the empty one; BadAnswer for another protocol's."""
    status = _STATUS.match(head)
    if not status:
        raise BadAnswer("it does not answer in HTTP/1.1")
    headers: dict[str, str] = {}
    for line in head[status.end() :].decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon and not name[:1].isspace():
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Answer(int(status[2]), (status[3] or b"").decode("latin-1"), headers)

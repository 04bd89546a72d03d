"""The head of an answer in HTTP/1.1: its status and its headers."""

from __future__ import annotations

from typing import NamedTuple

_VERSIONS = (b"HTTP/1.0", b"HTTP/1.1")
_CODE = 3  # digits


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
    first, newline, rest = head.partition(b"\n")
    version, code, reason = [*(first[:-1] if first.endswith(b"\r") else first).split(b" ", 2), b"", b""][:3]
    good = version in _VERSIONS and code.isdigit() and len(code) == _CODE and code >= b"100"
    if not good or not newline or b"\r" in reason:
        raise BadAnswer("it does not answer in HTTP/1.1")
    headers: dict[str, str] = {}
    for line in rest.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon and not name[:1].isspace():
            name, value = name.lower(), value.strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Answer(int(code), reason.decode("latin-1"), headers)

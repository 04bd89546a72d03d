"""data: URLs (RFC 2397): the bytes are in the URL itself."""

from __future__ import annotations

import re

from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.sink import Sink
from jobwrap.transfer.source import Source
from jobwrap.transfer.trouble import NOT_FOUND, SCHEME, Trouble


def get(place: str, sink: Sink, attempt: Attempt) -> None:
    content = _decode(place)
    sink.begin(len(content))
    view = memoryview(content)
    while view:
        space = sink.space()
        count = min(len(space), len(view))
        space[:count] = view[:count]
        sink.filled(count)
        view = view[count:]
    attempt.moved = len(content)


def probe(place: str, attempt: Attempt) -> None:
    _decode(place)


def put(source: Source, place: str, attempt: Attempt) -> None:
    raise Trouble(SCHEME, "nothing can be delivered to a data: URL")


def _decode(place: str) -> bytes:
    head, comma, text = place[len("data:") :].partition(",")
    if not comma:
        raise Trouble(NOT_FOUND, "a data: URL needs a comma before its content")
    content = re.sub(
        rb"%([0-9A-Fa-f]{2})",
        lambda found: bytes((int(found[1], 16),)),
        text.encode("utf-8", "surrogateescape"),
    )
    if not head.lower().replace(" ", "").endswith(";base64"):
        return content
    import base64
    import binascii

    try:
        return base64.b64decode(b"".join(content.split()), validate=True)
    except binascii.Error as error:
        raise Trouble(NOT_FOUND, f"its base64 cannot be decoded: {error}") from error

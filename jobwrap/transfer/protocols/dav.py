"""Delivering over HTTP: PUT, to a name of its own first where the server speaks WebDAV and can MOVE it."""

from __future__ import annotations

import binascii
import os
import re

from jobwrap.transfer import checksum, digests, exchange
from jobwrap.transfer.answer import Answer
from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.exchange import Headers, Request
from jobwrap.transfer.source import Source
from jobwrap.transfer.trouble import Passing, Trouble
from jobwrap.transfer.url import Url

_FIRST_GOOD, _FIRST_BAD = 200, 300
_NO_FOLDER = (404, 409)
# A server that will not have a file written over, or not let us ask whether it is there.
_MAY_BE_THERE = (403, 405, 409, 412)
_ABSENT = (404, 410)

_moving: dict[Url, bool] = {}  # what servers said of their folders


def put_to(url: Url, source: Source, attempt: Attempt, headers: Headers = ()) -> None:
    """Bring `source` to `url`; after a reply that got lost, what is there and right is not sent again."""
    if attempt.tries and _is_right(url, source, attempt, headers, surely=True):
        return
    if url.query or not _can_move(url, attempt, headers):  # a signed URL is for this one name
        _send(url, source, attempt, headers)
        check(url, source, attempt, headers)
        return
    folder, slash, name = url.path.rpartition("/")
    aside = url._replace(path=f"{folder}{slash}.jobwrap-{os.urandom(4).hex()}-{name}")
    try:
        _send(aside, source, attempt, headers)
        check(aside, source, attempt, headers)
        _move(aside, url, source, attempt, headers)
    except Trouble:
        _remove(aside, attempt, headers)
        raise


def put_whole(url: Url, source: Source, attempt: Attempt, headers: Headers, asking: Headers) -> None:
    """Bring `source` to `url`, where only that name can be written; `asking` are the headers of a HEAD."""
    if attempt.tries and _is_right(url, source, attempt, asking, surely=True):
        return
    _send(url, source, attempt, headers, folders=False)
    check(url, source, attempt, asking)


def _send(url: Url, source: Source, attempt: Attempt, headers: Headers, folders: bool = True) -> None:
    sha256 = binascii.b2a_base64(bytes.fromhex(source.digest("sha256", attempt)), newline=False).decode()
    sent = [*headers, ("Repr-Digest", f"sha-256=:{sha256}:")]
    answer = _ask(Request("PUT", url, sent, source.file, source.size), attempt)
    if answer.status in _NO_FOLDER and folders:
        _make_folders(url, attempt, headers)
        answer = _ask(Request("PUT", url, sent, source.file, source.size), attempt)
    if _is_good(answer):
        return
    if answer.status in _MAY_BE_THERE and attempt.tries and _is_right(url, source, attempt, headers):
        return  # the reply to an earlier try was lost
    raise exchange.refusal(answer)


def check(url: Url, source: Source, attempt: Attempt, headers: Headers) -> None:
    """What the server has is what was sent, as far as it tells."""
    answer = _ask_head(url, attempt, headers)
    if answer.status in _ABSENT:
        raise Passing("it took the file and does not have it")
    if _is_good(answer) and _differs(answer, source, attempt):
        raise Passing(_differs(answer, source, attempt))


def _is_right(url: Url, source: Source, attempt: Attempt, headers: Headers, surely: bool = False) -> bool:
    """Whether the file is there as sent; `surely` asks for a digest besides the size."""
    answer = _ask_head(url, attempt, headers)
    told = digests.promised(answer.headers)
    return _is_good(answer) and not _differs(answer, source, attempt) and bool(told or not surely)


def _differs(answer: Answer, source: Source, attempt: Attempt) -> str:
    size = answer.number("content-length")
    if size is not None and size != source.size:
        return f"it has {size} bytes of it instead of {source.size}"
    for name, hexa in digests.promised(answer.headers):
        if not checksum.same(name, source.digest(name, attempt), hexa):
            return f"what it has is not what was sent: its {name} is {hexa}"
    return ""


def _ask_head(url: Url, attempt: Attempt, headers: Headers) -> Answer:
    wanted = [*headers, ("Accept-Encoding", "identity"), ("Want-Repr-Digest", digests.WANTED)]
    return _ask(Request("HEAD", url, wanted), attempt)


def _move(here: Url, there: Url, source: Source, attempt: Attempt, headers: Headers) -> None:
    words = [*headers, ("Destination", str(there)), ("Overwrite", "T")]
    try:
        answer = _ask(Request("MOVE", here, words), attempt)
    except Passing:
        # Lost on the way there or back: it was moved if it is no longer here.
        if _ask_head(here, attempt, headers).status in _ABSENT:
            return
        raise
    # Asked again on another connection, where the one that was kept did not answer any more.
    moved = answer.status in _ABSENT and _is_right(there, source, attempt, headers)
    if not moved and not _is_good(answer):
        raise exchange.refusal(answer)


def _remove(url: Url, attempt: Attempt, headers: Headers) -> None:
    try:
        _ask(Request("DELETE", url, headers), attempt)
    except Trouble:
        pass  # the failure that brought us here is the one to tell of


def _can_move(url: Url, attempt: Attempt, headers: Headers) -> bool:
    """Whether the server says that it knows MOVE, for this file's folder."""
    folder = url._replace(path=url.path.rpartition("/")[0])
    if folder in _moving:
        return _moving[folder]
    answer = _ask(Request("OPTIONS", url, headers), attempt)
    if not _is_good(answer):
        return False
    allowed = re.split(r"[,\s]+", answer.headers.get("allow", "").upper())
    return _moving.setdefault(folder, "MOVE" in allowed)


def _make_folders(url: Url, attempt: Attempt, headers: Headers) -> None:
    """Each folder above the file, from the top; one that is there, or not ours to make, does no harm."""
    parts = url.path.split("/")[1:-1]
    for depth in range(1, len(parts) + 1):
        folder = url._replace(path="/" + "/".join(parts[:depth]) + "/")
        _ask(Request("MKCOL", folder, headers), attempt)


def _ask(request: Request, attempt: Attempt) -> Answer:
    """The answer's head, its body read and forgotten so that the connection serves again."""
    asked = exchange.ask(request, attempt)
    scrap = memoryview(bytearray(1 << 14))
    try:
        while asked.connection.readinto(scrap):
            pass
    except OSError as error:
        raise exchange.trouble_of(error, attempt) from error
    finally:
        asked.close()
    return asked.answer


def _is_good(answer: Answer) -> bool:
    return _FIRST_GOOD <= answer.status < _FIRST_BAD

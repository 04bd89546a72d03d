"""http: and https:, and name+https: with a credential of HTCondor's: GET, gone on with where it broke off."""

from __future__ import annotations

import re

from jobwrap.letters import scheme_of
from jobwrap.transfer import credentials, digests, exchange
from jobwrap.transfer.answer import Answer
from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.exchange import Exchange, Headers, Request
from jobwrap.transfer.sink import Sink
from jobwrap.transfer.source import Source
from jobwrap.transfer.trouble import DENIED, UNREACHABLE, Passing, Trouble, Unchanged
from jobwrap.transfer.url import Url

_WHOLE, _PART, _NOT_MODIFIED, _NO_SUCH_RANGE = 200, 206, 304, 416
_RANGE = r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)"
_SAME = {"dav": "http", "davs": "https"}
# A server that labels a compressed file by its name sends it as it is.
_COMPRESSED = (".gz", ".tgz", ".Z", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".br")


def get(place: str, sink: Sink, attempt: Attempt) -> None:
    url, headers = address(place, attempt)
    get_from(url, sink, attempt, headers)


def probe(place: str, attempt: Attempt) -> None:
    url, headers = address(place, attempt)
    probe_at(url, attempt, headers)


def put(source: Source, place: str, attempt: Attempt) -> None:
    from jobwrap.transfer.protocols import dav  # most jobs only fetch

    url, headers = address(place, attempt)
    dav.put_to(url, source, attempt, headers)


def address(place: str, attempt: Attempt) -> tuple[Url, list[tuple[str, str]]]:
    """Whom to ask, and what to show him."""
    _, plus, scheme = scheme_of(place).rpartition("+")
    scheme = _SAME.get(scheme, scheme)
    url = exchange.parsed(f"{scheme}:{place.partition(':')[2]}")
    if not plus:
        return url, []
    if scheme != "https":
        raise Trouble(DENIED, "a credential is sent over https: only")
    token = credentials.by_name(place.partition("+")[0], attempt.options.credentials)
    return url, [("Authorization", f"Bearer {token}")]


def get_from(url: Url, sink: Sink, attempt: Attempt, headers: Headers = ()) -> None:
    """Bring the file at `url`, from where `sink` stands if it is still the same file."""
    wanted = [("Accept-Encoding", "identity"), *headers]
    if not attempt.checked:
        wanted.append(("Want-Repr-Digest", digests.WANTED))
    if attempt.etag:
        wanted.append(("If-None-Match", attempt.etag))
    elif attempt.since:
        wanted.append(("If-Modified-Since", attempt.since))
    if sink.offset and sink.version:
        wanted += [("Range", f"bytes={sink.offset}-"), ("If-Range", sink.version)]
    else:
        sink.version = ""
    asked = exchange.ask(Request("GET", url, wanted), attempt)
    try:
        if _place_in(sink, asked, attempt):
            _receive(asked, sink, attempt)
    finally:
        asked.close()


def probe_at(url: Url, attempt: Attempt, headers: Headers = ()) -> None:
    """GET, since signed URLs and some servers refuse HEAD; the connection is closed instead of read."""
    request = Request("GET", url, [("Accept-Encoding", "identity"), *headers])
    asked = exchange.ask(request, attempt)
    asked.close()
    if asked.answer.status != _WHOLE:
        raise exchange.refusal(asked.answer)


def _place_in(sink: Sink, asked: Exchange, attempt: Attempt) -> bool:
    """Bring `sink` to where this answer's bytes begin; False where all of them are there."""
    answer = asked.answer
    if answer.status == _NOT_MODIFIED and (attempt.etag or attempt.since):
        raise Unchanged
    if answer.status == _NO_SUCH_RANGE and sink.version:
        return not _has_all(sink, answer)
    if answer.status == _PART and sink.version:
        _check_range(sink, answer)
    elif answer.status == _WHOLE:
        _check_encoding(asked)
        attempt.told = answer.headers.get("etag", ""), answer.headers.get("last-modified", "")
        total = None if "transfer-encoding" in answer.headers else answer.number("content-length")
        sink.begin(total, digests.promised(answer.headers), digests.strong_etag(answer.headers))
    else:
        raise exchange.refusal(answer)
    attempt.total = sink.total
    attempt.moved = sink.offset
    return True


def _check_range(sink: Sink, answer: Answer) -> None:
    """The rest must begin where we stand, and be of the same file; else all is asked for next time."""
    found = re.fullmatch(_RANGE, answer.headers.get("content-range", ""))
    total = int(found[3]) if found and found[3] != "*" else sink.total
    etag = digests.strong_etag(answer.headers)
    same = found and found[1] == str(sink.offset) and total == sink.total and etag in ("", sink.version)
    if not same:
        sink.version = ""
        raise Passing("it answers with another part of the file than was asked for")


def _has_all(sink: Sink, answer: Answer) -> bool:
    """A range that begins at the end does not exist; any other 416 means that the file changed."""
    found = re.fullmatch(_RANGE, answer.headers.get("content-range", ""))
    if found and found[3] == str(sink.offset):
        return True
    sink.version = ""
    raise Passing("the file changed while it was fetched")


def _check_encoding(asked: Exchange) -> None:
    encoding = asked.answer.headers.get("content-encoding", "identity").lower()
    if encoding not in ("identity", "") and not asked.url.path.endswith(_COMPRESSED):
        raise Trouble(UNREACHABLE, f"it sends the file in {encoding}, though asked not to")


def _receive(asked: Exchange, sink: Sink, attempt: Attempt) -> None:
    attempt.streaming()
    read, space, filled = asked.connection.readinto, sink.space, sink.filled
    try:
        while count := read(space()):
            attempt.moved += count
            filled(count)
    except OSError as error:
        asked.connection.reusable = False
        raise exchange.trouble_of(error, attempt) from error

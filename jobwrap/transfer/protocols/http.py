"""http: and https: GET with redirects, over connections that are kept."""

from __future__ import annotations

import threading

from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.sink import Sink
from jobwrap.transfer.trouble import DENIED, NOT_FOUND, UNREACHABLE, Passing, Trouble
from jobwrap.transfer.url import Url, follow, parse
from jobwrap.transfer.wire import Answer, Connection

_PORTS = {"http": 80, "https": 443}
_REDIRECTS = (301, 302, 303, 307, 308)
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
_MOST_REDIRECTS = 10

_kept: dict[tuple[str, str, int], list[Connection]] = {}
_lock = threading.Lock()


def get(place: str, sink: Sink, attempt: Attempt) -> None:
    connection, answer, key = _open(place, attempt)
    try:
        total = None if "transfer-encoding" in answer.headers else answer.number("content-length")
        attempt.total = total
        sink.begin(total)
        attempt.streaming()
        while count := connection.readinto(sink.space()):
            attempt.moved += count
            sink.filled(count)
    except OSError as error:
        connection.reusable = False
        raise Passing(attempt.reason(error)) from error
    finally:
        _give_back(key, connection)


def probe(place: str, attempt: Attempt) -> None:
    connection, _, key = _open(place, attempt)
    _give_back(key, connection)


def _open(place: str, attempt: Attempt) -> tuple[Connection, Answer, tuple[str, str, int]]:
    """A connection whose next bytes are the file's, past all redirects."""
    try:
        url = parse(place)
    except ValueError as error:
        raise Trouble(NOT_FOUND, str(error)) from error
    for _ in range(_MOST_REDIRECTS):
        key = (url.scheme, url.host, url.port or _PORTS[url.scheme])
        try:
            connection, answer = _ask(key, url, attempt)
        except OSError as error:
            raise Passing(attempt.reason(error)) from error
        if answer.status == 200:  # noqa: PLR2004
            return connection, answer, key
        _give_back(key, connection)
        if answer.status not in _REDIRECTS or "location" not in answer.headers:
            raise _refusal(answer)
        url = follow(url, answer.headers["location"])
        if url.scheme not in _PORTS:
            raise Trouble(UNREACHABLE, f"it redirects to {url.scheme}:, which is not followed")
    raise Trouble(UNREACHABLE, f"it redirects more than {_MOST_REDIRECTS} times")


def _ask(key: tuple[str, str, int], url: Url, attempt: Attempt) -> tuple[Connection, Answer]:
    connection = _take(key)
    if connection is None:
        attempt.within(attempt.options.connect, "connecting to it")
        connection = Connection(key[1], key[2], attempt.options.connect)
    attempt.on_end(connection.close_now)
    attempt.within(attempt.options.answer, "its answer")
    connection.ask("GET", url.target, (("Host", url.authority), ("Accept-Encoding", "identity")))
    return connection, connection.answer("GET")


def _refusal(answer: Answer) -> Trouble:
    said = f"it answers {answer.status} {answer.reason}".rstrip()
    if answer.status in _TRANSIENT:
        return Passing(said)
    if answer.status in (404, 410):
        return Trouble(NOT_FOUND, said)
    return Trouble(DENIED if answer.status in (401, 403) else UNREACHABLE, said)


def _take(key: tuple[str, str, int]) -> Connection | None:
    with _lock:
        kept = _kept.get(key, [])
        while kept:
            connection = kept.pop()
            if connection.idle:
                return connection
            connection.close()
    return None


def _give_back(key: tuple[str, str, int], connection: Connection) -> None:
    if connection.reusable and connection.over:
        with _lock:
            _kept.setdefault(key, []).append(connection)
    else:
        connection.close()

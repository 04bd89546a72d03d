"""One HTTP request and its answer: by way of proxies and redirects, with what the server may know of us."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import NamedTuple

import jobwrap
from jobwrap.transfer import connections, credentials
from jobwrap.transfer.answer import Answer, BadAnswer
from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.connections import PORTS, Key, basic, proxy_authorization
from jobwrap.transfer.trouble import DENIED, NOT_FOUND, UNREACHABLE, Passing, Trouble
from jobwrap.transfer.url import Url, follow, parse
from jobwrap.transfer.wire import Connection

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 10
_FIRST_ERROR = 400
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504, 507, 509)
_MEANINGS = {401: DENIED, 403: DENIED, 404: NOT_FOUND, 410: NOT_FOUND}
# A proxy that says so speaks for the server.
_PROXY_IS_BELIEVED = (404, 410, 416)

_ASK_FIRST = 1 << 20  # a longer body is not sent before the server has had the chance to say no

Headers = Sequence[tuple[str, str]]

_dead: set[str] = set()  # proxies that did not work for us once


class Request(NamedTuple):
    """What is asked; a body is `size` bytes of the open file `file` from `start` on, or `content`."""

    method: str
    url: Url
    headers: Headers = ()
    file: int = -1
    size: int = 0
    start: int = 0
    content: bytes = b""


class Exchange(NamedTuple):
    """A request that was answered; url is where the redirects led.

    The body is read from `connection`; close() when done with it, read or not.
    """

    connection: Connection
    answer: Answer
    url: Url
    key: Key

    def read(self, most: int) -> bytes:
        """The body, of which no more than `most` bytes are wanted."""
        block = memoryview(bytearray(most))
        at = 0
        while at < most and (count := self.connection.readinto(block[at:])):
            at += count
        return bytes(block[:at])

    def close(self) -> None:
        connections.give_back(self.key, self.connection)


def ask(request: Request, attempt: Attempt, redirects: bool = True) -> Exchange:
    """Send a request and return with the head of its answer, whatever its status is.

    Redirects are followed, but never with the header Authorization to another origin. Trouble or Passing
    where there is no answer to be had.
    """
    first = _origin(request.url)
    if request.url.scheme != "https":
        request = request._replace(headers=_without_bearer(request.headers))
    for _ in range(_MOST_REDIRECTS):
        exchange = _by_some_route(request, attempt)
        answer = exchange.answer
        if not redirects or answer.status not in _REDIRECTS or "location" not in answer.headers:
            return exchange
        exchange.close()
        request = request._replace(url=_next(request.url, answer.headers["location"], attempt))
        if _origin(request.url) != first:
            headers = [one for one in request.headers if one[0] != "Authorization"]
            request = request._replace(headers=headers)
    raise Trouble(UNREACHABLE, f"it redirects more than {_MOST_REDIRECTS} times")


def _without_bearer(headers: Headers) -> Headers:
    """A token serves whoever reads it on its way; a signature serves one request only."""
    return [one for one in headers if one[0] != "Authorization" or not one[1].startswith("Bearer ")]


def refusal(answer: Answer) -> Trouble:
    """What an answer other than the one hoped for means."""
    said = f"it answers {answer.status} {answer.reason}".rstrip()
    if answer.status in _TRANSIENT:
        return Passing(said, _retry_after(answer))
    return Trouble(_MEANINGS.get(answer.status, UNREACHABLE), said)


def parsed(place: str) -> Url:
    """The URL in `place`, which must have a host; Trouble where it is none."""
    try:
        url = parse(place)
        if not url.host:
            raise ValueError("its URL names no host")
        return url
    except ValueError as error:
        raise Trouble(NOT_FOUND, str(error)) from error


def _origin(url: Url) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or PORTS[url.scheme]


def _next(url: Url, location: str, attempt: Attempt) -> Url:
    """Where a redirect leads: as the site allows, and not off TLS unless a checksum makes up for it."""
    try:
        there = follow(url, location)
    except ValueError as error:
        raise Trouble(UNREACHABLE, f"it redirects to nowhere: {error}") from error
    allowed = attempt.options.schemes
    if there.scheme not in PORTS or not there.host or (allowed is not None and there.scheme not in allowed):
        raise Trouble(UNREACHABLE, f"it redirects to {there.scheme}:, which is not followed")
    if url.scheme == "https" and there.scheme == "http" and not attempt.checked:
        raise Trouble(UNREACHABLE, "it redirects from https: to http:, where anyone could change the file")
    return there


def _retry_after(answer: Answer) -> float:
    """Seconds from a Retry-After header, which may be a date (RFC 9110, section 10.2.3)."""
    seconds = answer.number("retry-after")
    if seconds is not None:
        return float(seconds)
    if "retry-after" not in answer.headers:
        return 0.0
    import time
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(answer.headers["retry-after"]).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0


def _by_some_route(request: Request, attempt: Attempt) -> Exchange:
    """By the proxies in their order, then without; each further try at a place begins one later."""
    routes = [*_proxies(request.url, attempt), ""]
    for proxy in routes[min(attempt.tries, len(routes) - 1) : -1]:
        try:
            exchange = _by(proxy, request, attempt)
        except Passing:
            _dead.add(proxy)
            continue
        if exchange.answer.status < _FIRST_ERROR or exchange.answer.status in _PROXY_IS_BELIEVED:
            attempt.by_proxy = True
            return exchange
        exchange.close()
    attempt.by_proxy = False
    return _by("", request, attempt)


def _proxies(url: Url, attempt: Attempt) -> list[str]:
    options = attempt.options
    if any(url.host == each or url.host.endswith(f".{each}") for each in options.no_proxy):
        return []
    proxies = options.proxies if url.scheme == "http" else options.tls_proxies
    return [each for each in proxies if each not in _dead]


def _by(proxy: str, request: Request, attempt: Attempt) -> Exchange:
    """One request by one route; an OSError of the connection becomes Passing, or Trouble that stays."""
    key = (*_origin(request.url), proxy)
    whole = request._replace(headers=[*_common(request.url, attempt, proxy), *request.headers])
    while True:
        connection = kept = connections.take(key)
        try:
            connection = connection or connections.connect(key, attempt)
            attempt.on_end(connection.close_now)
            return Exchange(connection, _talk(connection, proxy, whole, attempt), request.url, key)
        except (OSError, ValueError, Trouble) as error:
            if connection:
                connection.close()
            if isinstance(error, Trouble):
                raise
            if kept and isinstance(error, OSError) and not attempt.ended:
                continue  # the server closed it while we thought it open
            raise trouble_of(error, attempt) from error


def _talk(connection: Connection, proxy: str, request: Request, attempt: Attempt) -> Answer:
    attempt.within(attempt.options.answer, "its answer")
    method, url, headers = request.method, request.url, list(request.headers)
    target = str(url) if proxy and url.scheme == "http" else url.target
    if request.file >= 0 or request.content or method == "POST":
        headers.append(("Content-Length", str(request.size or len(request.content))))
    if request.size > _ASK_FIRST:
        headers.append(("Expect", "100-continue"))
    connection.ask(method, target, headers, request.content)
    if request.file >= 0:
        if request.size > _ASK_FIRST and (answer := connection.objection(method)) is not None:
            connection.reusable = False  # it may still wait for the body
            return answer
        attempt.streaming()
        try:
            connection.send_file(request.file, request.start, request.size, attempt.count)
        except (BrokenPipeError, ConnectionResetError):
            connection.reusable = False  # it wants no more, and its answer may say why
        attempt.within(attempt.options.answer, "its answer")
    return connection.answer(method)


def _common(url: Url, attempt: Attempt, proxy: str) -> list[tuple[str, str]]:
    headers = [("Host", url.authority), ("User-Agent", f"jobwrap/{jobwrap.__version__}"), ("Accept", "*/*")]
    if proxy and url.scheme == "http":
        headers += proxy_authorization(parse(proxy))
    token = credentials.for_origin(url, attempt.options.tokens)
    if token:
        headers.append(("Authorization", f"Bearer {token}"))
    elif url.user:
        headers.append(("Authorization", basic(url.user)))
    return headers


def trouble_of(error: Exception, attempt: Attempt) -> Trouble:
    """What an error of a connection means: most pass, but not an unknown name or a bad certificate."""
    # Of ssl.SSLCertVerificationError, which is a ValueError too; ssl is not imported for it.
    message = getattr(error, "verify_message", "")
    if message:
        return Trouble(UNREACHABLE, f"its certificate is not valid: {message}")
    if isinstance(error, ValueError):
        return Trouble(NOT_FOUND, str(error))
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME:
        return Trouble(UNREACHABLE, "nobody knows a host of that name")
    if isinstance(error, OSError) and not isinstance(error, BadAnswer) and error.strerror:
        return Passing(attempt.reason(OSError(error.strerror)))
    return Passing(attempt.reason(error))

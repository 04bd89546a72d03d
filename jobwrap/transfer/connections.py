"""Connections to HTTP servers: made through a proxy or not, with TLS or not, and kept to be used again."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from jobwrap.transfer.answer import BadAnswer
from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.threads import Lock
from jobwrap.transfer.url import Url, parse
from jobwrap.transfer.wire import Connection

if TYPE_CHECKING:
    import ssl

PORTS = {"http": 80, "https": 443}
_PROXY_PORT = 3128  # squid's

Key = tuple[str, str, int, str]  # scheme, host, port, URL of the proxy or ""

_kept: dict[Key, list[Connection]] = {}
_lock = Lock()
_context: list[ssl.SSLContext] = []


def take(key: Key) -> Connection | None:
    """A connection that is open and idle, None without one."""
    with _lock:
        kept = _kept.get(key, [])
        while kept:
            connection = kept.pop()
            if connection.idle:
                return connection
            connection.close()
    return None


def give_back(key: Key, connection: Connection) -> None:
    """Keep it if it can serve again, close it otherwise."""
    if connection.reusable and connection.over:
        with _lock:
            _kept.setdefault(key, []).append(connection)
    else:
        connection.close()


def connect(key: Key, attempt: Attempt) -> Connection:
    """A new connection; OSError where there is none to be had."""
    scheme, host, port, proxy = key
    via = parse(proxy) if proxy else None
    seconds = attempt.options.connect
    attempt.within(seconds, "connecting to it")
    peer = (via.host, via.port or _PROXY_PORT) if via else (host, port)
    connection = Connection(_dial(*peer, seconds))
    attempt.on_end(connection.close_now)
    if scheme == "https":
        if via:
            _tunnel(connection, host, port, via)
        connection.start_tls(_tls(attempt), host)
    return connection


def _dial(host: str, port: int, seconds: float) -> socket.socket:
    """To the first of its addresses that answers within so many seconds; OSError that of the last."""
    # What is in ASCII goes there as bytes: of a text Python would look whether it is an international name.
    name = host.encode() if host.isascii() else host
    failed: OSError = OSError("nobody knows an address of it")
    for family, kind, protocol, _, address in socket.getaddrinfo(name, port, 0, socket.SOCK_STREAM):
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(seconds)
            made.connect(address)
            return made
        except OSError as error:
            made.close()
            failed = error
    raise failed


def _tunnel(connection: Connection, host: str, port: int, proxy: Url) -> None:
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    connection.ask("CONNECT", name, [("Host", name), *proxy_authorization(proxy)])
    answer = connection.answer("CONNECT")
    if answer.status != 200:  # noqa: PLR2004
        raise BadAnswer(f"the proxy answers {answer.status} {answer.reason}")


def _tls(attempt: Attempt) -> ssl.SSLContext:
    """One context for all: reading the system's certificates takes tens of milliseconds."""
    with _lock:
        if not _context:
            import ssl

            options = attempt.options
            context = ssl.create_default_context()
            for more in ({"cafile": options.ca_file}, {"capath": options.ca_folder}):
                if all(more.values()):
                    context.load_verify_locations(**more)
            if os.access(options.client_certificate, os.R_OK):  # a job's X509_USER_PROXY may be long gone
                context.load_cert_chain(options.client_certificate)
            _context.append(context)
        return _context[0]


def proxy_authorization(proxy: Url) -> list[tuple[str, str]]:
    return [("Proxy-Authorization", basic(proxy.user))] if proxy.user else []


def basic(user: str) -> str:
    """The value of an Authorization header for the name:password of a URL."""
    from base64 import b64encode
    from urllib.parse import unquote

    return f"Basic {b64encode(unquote(user).encode()).decode()}"

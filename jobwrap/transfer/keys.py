"""What a site's settings may say of transfers: the keys of [transfer], which are fields of Options.

No secret stands there, since all who work on the node can read the settings: files that hold one are named.
"""

from __future__ import annotations

import re
from typing import Any

from jobwrap.job import words

_HOST = re.compile(r"[A-Za-z0-9.-]+(?::\d{1,5})?|\[[0-9A-Fa-f:]+\](?::\d{1,5})?")


def read_keys(table: object) -> dict[str, Any]:
    """Field of Options: value. ValueError says what is wrong with which key."""
    if not isinstance(table, dict):
        raise ValueError("transfer must be a table")
    found = {}
    for key, value in table.items():
        if key not in _KEYS:
            raise ValueError(f"[transfer] has no key {key!r}; it has {', '.join(_KEYS)}")
        try:
            found[key] = _KEYS[key](value)
        except ValueError as error:
            raise ValueError(f"transfer.{key}: {error}") from None
    return found


def _proxies(value: object) -> tuple[str, ...]:
    return tuple(_url(each, "http") for each in _list(value))


def _caches(value: object) -> tuple[str, ...]:
    """URLs of caches; "+" for those that the director names."""
    return tuple("+" if each == "+" else _url(each, "http", "https") for each in _list(value))


def _url(value: object, *schemes: str) -> str:
    from jobwrap.transfer.url import parse

    url = parse(words.text(value))
    if url.scheme not in schemes or not url.host:
        raise ValueError(f"must be a URL with {' or '.join(f'{scheme}:' for scheme in schemes)}")
    if url.user:
        raise ValueError("must have no user in it: everyone here can read these settings")
    return words.text(value)


def _director(value: object) -> str:
    return _url(value, "http", "https")


def _hosts(value: object) -> tuple[str, ...]:
    return tuple(words.text(each).lstrip(".").lower() for each in _list(value))


def _paths(value: object) -> tuple[str, ...]:
    return tuple(words.absolute(each) for each in _list(value))


def _tokens(value: object) -> tuple[tuple[str, str], ...]:
    """Host, or host:port: the file of its token."""
    if not isinstance(value, dict):
        raise ValueError("must be a table of hosts and the files of their tokens")
    for host in value:
        if not _HOST.fullmatch(host):
            raise ValueError(f"{host!r} is neither HOST nor HOST:PORT")
    return tuple((host.lower(), words.absolute(path)) for host, path in value.items())


def _some(value: object) -> int:
    number = words.count(value)
    if not number:
        raise ValueError("must be 1 or more")
    return number


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError("must be a list")
    return value


_KEYS = {
    "parallel": _some,
    "attempts": _some,
    "pause": words.duration,
    "longest_pause": words.duration,
    "connect": words.duration,
    "answer": words.duration,
    "slowest": words.size,
    "window": words.duration,
    "ramp_up": words.duration,
    "deadline": words.duration,
    "proxies": _proxies,
    "tls_proxies": _proxies,
    "no_proxy": _hosts,
    "ca_file": words.absolute,
    "ca_folder": words.absolute,
    "client_certificate": words.absolute,
    "tokens": _tokens,
    "plugins": _paths,
    "director": _director,
    "caches": _caches,
}

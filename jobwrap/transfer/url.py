"""URLs as places of files: taken apart, put together, followed, and cleaned of secrets.

Not urllib.parse, whose import costs more than a small job's whole look at its inputs; the tests
hold the one against the other.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from jobwrap.letters import is_hex, is_number, scheme_of

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# What may stand in a path or query as it is; all else is percent-encoded, "%" itself is left alone.
_SAFE = frozenset(f"{_LETTERS}{_LETTERS.upper()}0123456789-._~!$&'()*+,;=:@/%[]?")
# What would end a path or stand for another character: in a URL, and in XRootD's, which decodes nothing.
_MEANT = {True: "%?#", False: "?"}

# Query parameters that say what is asked, not who asks: shown in records as they are.
HARMLESS = frozenset(("directread", "prefercached", "pack", "versionid", "x-amz-date", "x-amz-expires"))


class Url(NamedTuple):
    """scheme in lower case; user is "name:password" or ""; port None where the scheme's own is meant."""

    scheme: str
    user: str
    host: str
    port: int | None
    path: str
    query: str

    @property
    def target(self) -> str:
        """What a request line names: path and query, percent-encoded."""
        path = self.path or "/"
        whole = f"{path}?{self.query}" if self.query else path
        return _encoded(whole, set(whole) - _SAFE)

    @property
    def authority(self) -> str:
        """host[:port] as a Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def _encoded(text: str, unsafe: Iterable[str]) -> str:
    """The text with these characters percent-encoded."""
    codes = {
        ord(each): "".join(f"%{byte:02X}" for byte in each.encode("utf-8", "surrogateescape"))
        for each in unsafe
    }
    return text.translate(codes) if codes else text


def path_of(place: str) -> str:
    """The path that a path or a file: URL names; ValueError for a file: URL of another host."""
    if not scheme_of(place):
        return place
    url = parse(place)
    if url.host not in ("", "localhost"):
        raise ValueError(f"a file: URL cannot name another host ({url.host})")
    first, *escaped = url.path.split("%")
    raw = first.encode("utf-8", "surrogateescape")
    for part in escaped:
        code, rest = part[:2], part[2:]
        meant = is_hex(code.lower(), 2)
        raw += bytes.fromhex(code) if meant else b"%"
        raw += (rest if meant else part).encode("utf-8", "surrogateescape")
    return os.fsdecode(raw)


def parse(text: str) -> Url:
    """Take `text` apart; ValueError says what is wrong with it."""
    scheme = scheme_of(text)
    if not scheme:
        raise ValueError(f"not a URL: {redact(text)}")
    authority, path, query = _parts(text[len(scheme) + 1 :])
    user, _, host = (authority or "").rpartition("@")
    name, port = _split_port(host, text)
    return Url(scheme, user, name.lower(), port, path, query or "")


def _parts(rest: str) -> tuple[str | None, str, str | None]:
    """Authority, path and query of what stands behind a scheme; None for one that is not there."""
    body, mark, query = rest.partition("#")[0].partition("?")
    if not body.startswith("//"):
        return None, body, query if mark else None
    authority, slash, path = body[2:].partition("/")
    return authority, slash + path, query if mark else None


def _split_port(host: str, text: str) -> tuple[str, int | None]:
    """No blank and no control character in its name; in brackets an IPv6 address."""
    if host.startswith("["):
        name, closed, tail = host[1:].partition("]")
        good = bool(closed)
    else:
        name, colon, port = host.partition(":")
        tail, good = colon + port, not set(name) & {"[", "]"}
    digits = tail[1:]
    good = good and min(name, default="~") > " " and tail[:1] in ("", ":")
    if not good or digits.strip("0123456789"):
        raise ValueError(f"bad host in {redact(text)}")
    number = int(digits) if is_number(digits) else 0
    if digits and not 0 < number < 1 << 16:
        raise ValueError(f"bad port in {redact(text)}")
    return name, number or None


def below(place: str, path: str) -> str:
    """The place of the relative path `path` in the folder `place`, whose query it keeps."""
    scheme = scheme_of(place)
    if scheme in ("", "s3"):  # which take names as they are
        return f"{place.rstrip('/')}/{path}"
    folder, mark, query = place.partition("?")
    path = _encoded(path, _MEANT["root" not in scheme])
    return f"{folder.rstrip('/')}/{path}{mark}{query}"


def follow(base: Url, location: str) -> Url:
    """Where `location`, the reference of a redirect, leads from `base` (RFC 3986, section 5.2)."""
    if scheme_of(location):
        return parse(location)
    authority, path, query = _parts(location)
    if authority is not None:
        return parse(f"{base.scheme}:{location}")
    if not path:
        return base._replace(query=base.query if query is None else query)
    if not path.startswith("/"):
        path = base.path[: base.path.rfind("/") + 1] + path if base.path else f"/{path}"
    return base._replace(path=_without_dots(path), query=query or "")


def _without_dots(path: str) -> str:
    kept: list[str] = []
    parts = path.split("/")
    for part in parts:
        if part == "..":
            if len(kept) > 1:
                kept.pop()
        elif part != ".":
            kept.append(part)
    if parts[-1] in (".", ".."):
        kept.append("")
    return "/".join(kept)


def redact(place: str) -> str:
    """`place` as a record may show it: without userinfo, fragment, and query values that may be secrets."""
    scheme = scheme_of(place)
    if not scheme:
        return place
    if scheme == "data":
        return f"data:…({len(place)} characters)"
    authority, path, query = _parts(place[len(scheme) + 1 :])
    host = "" if authority is None else "//" + authority.rpartition("@")[2]
    shown = "" if query is None else "?" + "&".join(map(_shown, query.split("&")))
    return f"{place[: len(scheme) + 1]}{host}{path}{shown}"


def _shown(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    if name.lower() in HARMLESS:
        return pair
    return f"{name}=…" if equals else "…"

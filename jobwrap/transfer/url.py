"""URLs as places of files: taken apart, put together, followed, and cleaned of secrets.

Not urllib.parse, whose import costs more than a small job's whole look at its inputs; the tests
hold the one against the other.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_REST = re.compile(r"(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#.*)?\Z", re.DOTALL)
# No blank and no control character; in brackets an IPv6 address.
_HOST = re.compile(r"(?:\[([^\]\x00-\x20]*)\]|([^:\[\]\x00-\x20]*))(?::([0-9]*))?")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
# What may stand in a path or query as it is; all else is percent-encoded, "%" itself is left alone.
_UNSAFE = re.compile(r"[^A-Za-z0-9\-._~!$&'()*+,;=:@/%\[\]?]")
# What would end a path or stand for another character: in a URL, and in XRootD's, which decodes nothing.
_MEANT = {True: re.compile("[%?#]"), False: re.compile("[?]")}

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
        return _UNSAFE.sub(_encode, whole)

    @property
    def authority(self) -> str:
        """host[:port] as a Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


def _encode(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogateescape"))


def scheme_of(place: str) -> str:
    """The scheme of a URL in lower case, "" for a path."""
    found = _SCHEME.match(place)
    return found[1].lower() if found else ""


def path_of(place: str) -> str:
    """The path that a path or a file: URL names; ValueError for a file: URL of another host."""
    if not scheme_of(place):
        return place
    url = parse(place)
    if url.host not in ("", "localhost"):
        raise ValueError(f"a file: URL cannot name another host ({url.host})")
    raw = url.path.encode("utf-8", "surrogateescape")
    return os.fsdecode(_ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), raw))


def parse(text: str) -> Url:
    """Take `text` apart; ValueError says what is wrong with it."""
    found = _SCHEME.match(text)
    if not found:
        raise ValueError(f"not a URL: {redact(text)}")
    rest = _REST.match(text, found.end())
    assert rest
    user, _, host = (rest[1] or "").rpartition("@")
    name, port = _split_port(host, text)
    return Url(found[1].lower(), user, name.lower(), port, rest[2], rest[3] or "")


def _split_port(host: str, text: str) -> tuple[str, int | None]:
    found = _HOST.fullmatch(host)
    if not found:
        raise ValueError(f"bad host in {redact(text)}")
    port = int(found[3]) if found[3] else None
    if port is not None and not 0 < port < 1 << 16:
        raise ValueError(f"bad port in {redact(text)}")
    return found[1] or found[2] or "", port


def below(place: str, path: str) -> str:
    """The place of the relative path `path` in the folder `place`, whose query it keeps."""
    scheme = scheme_of(place)
    if scheme in ("", "s3"):  # which take names as they are
        return f"{place.rstrip('/')}/{path}"
    folder, mark, query = place.partition("?")
    path = _MEANT["root" not in scheme].sub(_encode, path)
    return f"{folder.rstrip('/')}/{path}{mark}{query}"


def follow(base: Url, location: str) -> Url:
    """Where `location`, the reference of a redirect, leads from `base` (RFC 3986, section 5.2)."""
    if _SCHEME.match(location):
        return parse(location)
    rest = _REST.match(location)
    assert rest
    if rest[1] is not None:
        return parse(f"{base.scheme}:{location}")
    path, query = rest[2], rest[3]
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
    found = _SCHEME.match(place)
    if not found:
        return place
    if found[1].lower() == "data":
        return f"data:…({len(place)} characters)"
    rest = _REST.match(place, found.end())
    assert rest
    host = "" if rest[1] is None else "//" + rest[1].rpartition("@")[2]
    query = "" if rest[3] is None else "?" + "&".join(map(_shown, rest[3].split("&")))
    return f"{found[0]}{host}{rest[2]}{query}"


def _shown(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    if name.lower() in HARMLESS:
        return pair
    return f"{name}=…" if equals else "…"

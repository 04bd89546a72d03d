"""What HTTP headers tell of a file's content: its digest (RFC 9530, RFC 3230) and its version (ETag)."""

from __future__ import annotations

import binascii
import re

from jobwrap.transfer import checksum

# What we ask for, with preferences from 1 to 10 (RFC 9530, section 4).
WANTED = "sha-256=10, sha-512=9, crc32c=5, adler=4, md5=3"
_REPR = r"([A-Za-z0-9-]+)=:([A-Za-z0-9+/=]*):"
_NAMES = {"adler": "adler32", "sha": "sha1"}
_AS_HEX = ("adler32", "crc32c")  # RFC 3230 leaves these in hex, and XRootD writes them so
_S3 = ("sha256", "crc32c")


def promised(headers: dict[str, str]) -> list[tuple[str, str]]:
    """(algorithm, hex digest) of the whole file, as far as the algorithms are known here."""
    found = []
    if "repr-digest" in headers:
        found += [(name, _from_base64(value)) for name, value in re.findall(_REPR, headers["repr-digest"])]
    for name in _S3:
        value = headers.get(f"x-amz-checksum-{name}", "")
        if value and "-" not in value:  # that of a file sent in parts has their number behind it
            found.append((name, _from_base64(value)))
    if "digest" in headers:
        for one in headers["digest"].split(","):
            name, _, value = one.strip().partition("=")
            found.append((name, value if _name(name) in _AS_HEX else _from_base64(value)))
    return [(_name(name), value) for name, value in found if value and _name(name) in checksum.ALGORITHMS]


def strong_etag(headers: dict[str, str]) -> str:
    """The ETag if it holds for each byte, which one that begins with W/ does not."""
    etag = headers.get("etag", "")
    return etag if len(etag) > 1 and etag[0] == etag[-1] == '"' and '"' not in etag[1:-1] else ""


def _name(said: str) -> str:
    name = checksum.name_of(said)
    return _NAMES.get(name, name)


def _from_base64(value: str) -> str:
    try:
        return binascii.a2b_base64(value).hex()
    except binascii.Error:
        return ""

"""Inputs, outputs and binds as people write them, in a word or a table; ValueError as words.py has it."""

from __future__ import annotations

from typing import Any

from jobwrap.job.spec import Bind, Input, Output
from jobwrap.job.words import absolute, text
from jobwrap.letters import has_control, is_hex, scheme_of

_ALGORITHMS = {"sha256": 64, "sha512": 128, "md5": 32, "adler32": 8, "crc32c": 8}  # name: hex digits


def input_(word: object) -> Input:
    """[NAME=]PLACE[#ALG:HEX], or the same in a table: name, places, checksum."""
    if isinstance(word, dict):
        _only(word, "name", "place", "places", "checksum", "unpack")
        places = word.get("places", [word["place"]] if "place" in word else [])
        if not isinstance(places, list) or not places:
            raise ValueError("must have places, a list")
        checksum = _checksum(text(word["checksum"])) if "checksum" in word else None
        return _input(
            word.get("name"), [text(place) for place in places], checksum, word.get("unpack") is True
        )
    place, _, digest = text(word).rpartition("#")
    checksum = _checksum(digest) if place and _is_checksum(digest) else None
    if checksum is None:
        place = text(word)
    name, equals, rest = place.partition("=")
    # What stands before a "=" is a name only if no place begins like that.
    if not equals or name.startswith(("/", "./", "../")) or scheme_of(name):
        return _input(None, [place], checksum)
    return _input(name, [rest], checksum)


def _input(name: object, places: list[str], checksum: tuple[str, str] | None, unpack: bool = False) -> Input:
    if not all(places):
        raise ValueError("must have a place behind the =")
    for place in places:
        if has_control(place):
            raise ValueError("must have no control character in its place")
    if name is None:
        scheme = scheme_of(places[0])
        path = places[0].partition(":")[2] if scheme else places[0]
        path = path[2:].partition("/")[2] if scheme and path.startswith("//") else path
        name = path.split("?")[0].split("#")[0].rstrip("/").rpartition("/")[2]
        if not name:
            raise ValueError("needs a name, as NAME=PLACE")
    return Input(inside(name), tuple(places), checksum, unpack)


def _is_checksum(word: str) -> bool:
    """Whether it is meant for one: other things stand behind a # as well."""
    algorithm, _, digest = word.partition(":")
    return (
        algorithm.isascii() and algorithm.isalnum() and algorithm.islower() and is_hex(digest[:1].lower(), 1)
    )


def _checksum(word: str) -> tuple[str, str]:
    algorithm, _, digest = word.partition(":")
    digits = _ALGORITHMS.get(algorithm)
    if digits is None:
        raise ValueError(f"there is no checksum {algorithm}; there are {', '.join(_ALGORITHMS)}")
    if not is_hex(digest.lower(), digits):
        raise ValueError(f"the {algorithm} checksum must have {digits} hexadecimal digits")
    return algorithm, digest.lower()


def output(word: object) -> Output:
    """NAME[=URL], or the same in a table: name, url."""
    if isinstance(word, dict):
        _only(word, "name", "url")
        return Output(inside(word.get("name")), text(word["url"]) if "url" in word else "")
    name, equals, url = text(word).partition("=")
    if equals and not url:
        raise ValueError("must have a URL or a path behind the =")
    return Output(inside(name), url)


def inside(name: object) -> str:
    """A relative path that stays in the scratch folder and out of jobwrap's own."""
    parts = text(name).rstrip("/").split("/")
    if not parts[0] or ".." in parts or has_control(str(name)):
        raise ValueError("must be a path inside the scratch folder")
    parts = [part for part in parts if part not in ("", ".")]
    if not parts or parts[0] == ".jobwrap":
        raise ValueError("must not be jobwrap's own folder")
    return "/".join(parts)


def bind(word: object) -> Bind:
    """PATH[:TARGET[:ro|rw]], or the same in a table, for paths with a colon: source, target, writable."""
    if isinstance(word, dict):
        _only(word, "source", "target", "writable")
        source = absolute(word.get("source"))
        return Bind(source, absolute(word.get("target", source)), word.get("writable") is True)
    parts = text(word).split(":")
    mode = parts.pop() if parts[-1] in ("ro", "rw") and len(parts) > 1 else "ro"
    if len(parts) > 2:  # noqa: PLR2004  # source and target
        raise ValueError("must be PATH[:TARGET[:ro|rw]]; a path with a colon goes into a job file")
    return Bind(absolute(parts[0]), absolute(parts[-1]), mode == "rw")


def _only(table: dict[str, Any], *known: str) -> None:
    for key in table:
        if key not in known:
            raise ValueError(f"has no key {key!r}; it has {', '.join(known)}")

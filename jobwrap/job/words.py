"""From a word, as people write it, to a value; ValueError says in a few words what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from jobwrap.letters import (
    has_control,
    is_decimal,
    is_number,
    is_scheme,
    is_variable,
    is_word,
)

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def text(word: object) -> str:
    """Any word but an empty one."""
    if not isinstance(word, str) or not word:
        raise ValueError("must be a word that is not empty")
    if "\0" in word:
        raise ValueError("must have no NUL in it")
    return word


def flag(word: object) -> bool:
    """Only for the table: a flag has no word."""
    return bool(word)


def one_of(*choices: str) -> Callable[[object], str]:
    """A parser for one of a few words."""

    def choose(word: object) -> str:
        if word not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return str(word)

    return choose


def absolute(word: object) -> str:
    """An absolute path, without its last slash."""
    path = text(word)
    if not path.startswith("/") or ".." in path.split("/") or has_control(path):
        raise ValueError("must be an absolute path")
    return path.rstrip("/") or "/"


def path_or_url(word: object) -> str:
    """An absolute path, or what has a scheme."""
    place = text(word)
    scheme, mark, rest = place.partition("://")
    if not mark or not is_scheme(scheme) or scheme != scheme.lower() or rest[:1] in ("", "/"):
        return absolute(word)
    if has_control(place):
        raise ValueError("must have no control character in it")
    return place


def count(word: object) -> int:
    """A whole number from 0."""
    if isinstance(word, bool) or not is_number(str(word)):
        raise ValueError("must be a whole number")
    return int(str(word))


def user(word: object) -> int:
    """The id of a user of this node, by name or number."""
    if is_number(str(word)):
        return count(word)
    from pwd import getpwnam

    try:
        return getpwnam(text(word)).pw_uid
    except KeyError:
        raise ValueError("must be a user of this node") from None


def exit_code(word: object) -> int:
    """An exit code that says that something failed."""
    code = count(word)
    if code not in range(1, 256):
        raise ValueError("must be from 1 to 255")
    return code


def record_place(word: object) -> str:
    """A path, "-" for stdout, or the URL of a collector."""
    place = text(word)
    if "://" in place and not place.startswith(("http://", "https://")):
        raise ValueError("must be a path, - or an http(s) URL")
    return place


def size(word: object) -> int:
    """Bytes, from a number with a unit; units are powers of 1024, as HTCondor's are."""
    spelt = str(word).strip().upper()
    bare = spelt[:-1] if spelt.endswith("B") else spelt
    bare = bare[:-1] if spelt.endswith("IB") else bare
    number, unit = bare[:-1].rstrip(), bare[-1:]
    if not unit or unit not in "KMGT" or not is_decimal(number):
        raise ValueError("must be a number with a unit, K, M, G or T")
    return int(float(number) * 1024 ** ("KMGT".index(unit) + 1))


def duration(word: object) -> float:
    """Seconds, from a number with s, m, h or d (none: seconds) or from [days-]hours:minutes[:seconds]."""
    if isinstance(word, bool):
        raise ValueError("must be a time")
    spelt = str(word)
    unit = spelt[-1:] if spelt[-1:] in _SECONDS else ""
    number = spelt[: len(spelt) - len(unit)]
    if is_decimal(number):
        return float(number) * _SECONDS.get(unit, 1)
    days, dash, clock = spelt.rpartition("-")
    hours, *others = clock.split(":")
    parts = [days if dash else "0", hours, *others]
    if all(map(is_number, parts)) and [len(each) for each in others] in ([2], [2, 2]):
        whole = [*map(int, parts), 0]
        return float(((whole[0] * 24 + whole[1]) * 60 + whole[2]) * 60 + whole[3])
    raise ValueError("must be a time, as 90, 30m, 2h, 1:30:00")


def credential(word: object) -> str:
    """bearer, x509, or a name that HTCondor keeps a credential under."""
    name = text(word)
    if not is_word(name) or name[0] == "." or "+" in name:
        raise ValueError("must be bearer, x509 or the name of one of HTCondor's credentials")
    return name


def setting(word: object) -> tuple[str, str | None]:
    """NAME=VALUE; the value is None where only a name stands."""
    name, equals, value = text(word).partition("=")
    if not is_variable(name):
        raise ValueError("must begin with a name of letters, digits and _")
    return name, value if equals else None


def spread(key: str, value: Any, many: bool) -> Iterable[Any]:
    """The words of a file's value: a list where several may stand, a table of variables, or just one."""
    if key == "env" and isinstance(value, dict):
        if not all(isinstance(each, str) for each in value.values()):
            raise ValueError("env must have texts as values")
        return [f"{name}={each}" for name, each in value.items()]
    if not many:
        return [value]
    return value if isinstance(value, list) else [value]

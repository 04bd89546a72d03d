"""The ClassAds that a starter leaves beside a job: one `Name = value` a line (old syntax).

Literals become Python values; anything that would have to be evaluated stays text, as an Expression.
Source: HTCondor manual, "ClassAd syntax", and classads of release 23.9.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Union


class Expression(NamedTuple):
    """What only a ClassAd evaluator could give a value, `error` included; its text as it stood."""

    text: str


Value = Union[str, int, float, bool, None, Expression, "list[Value]", "dict[str, Value]"]

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>"(?:[^"\\]|\\.)*") | (?P<real>[-+]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?)
    | (?P<integer>[-+]?\d+) | (?P<word>[A-Za-z_][A-Za-z0-9_.]*) | (?P<mark>[][{}=;,])
    )""",
    re.VERBOSE | re.DOTALL,
)
_LINE = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*(.*?)\s*$", re.DOTALL)
_WORDS = {"true": True, "false": False, "undefined": None}
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_DEPTH = 32


class _NoLiteral(Exception):
    """The text is an expression, or nothing that this parser knows."""


def parse_ad(text: str) -> dict[str, Value]:
    """The attributes of an ad, by lower-case name since ClassAd names have no case; the last one counts.

    Lines that are no attribute are passed over, as HTCondor's own tools do with comments and blanks.
    """
    found = (_LINE.match(line) for line in text.split("\n"))
    return {match[1].lower(): parse_value(match[2]) for match in found if match}


def parse_value(text: str) -> Value:
    """The value of one literal, or the text as an Expression."""
    try:
        value, rest = _literal(text, 0, 0)
    except _NoLiteral:
        return Expression(text)
    return value if not text[rest:].strip() else Expression(text)


def _literal(text: str, at: int, depth: int) -> tuple[Value, int]:
    kind, token, after = _next(text, at)
    if depth > _DEPTH:
        raise _NoLiteral
    if kind == "string":
        return _unescape(token[1:-1]), after
    if kind == "integer":
        # HTCondor's integers have 64 bits; Python refuses to read thousands of digits.
        if len(token) > 20:  # noqa: PLR2004  # the digits of 2**63 and a sign
            raise _NoLiteral
        return int(token), after
    if kind == "real":
        return float(token), after
    if kind == "word" and token.lower() in _WORDS:
        return _WORDS[token.lower()], after
    if token == "{":
        return _list(text, after, depth)
    if token == "[":
        return _nested(text, after, depth)
    raise _NoLiteral


def _list(text: str, at: int, depth: int) -> tuple[Value, int]:
    items: list[Value] = []
    if _next(text, at)[1] == "}":
        return items, _next(text, at)[2]
    while True:
        item, at = _literal(text, at, depth + 1)
        items.append(item)
        _, mark, at = _next(text, at)
        if mark == "}":
            return items, at
        if mark != ",":
            raise _NoLiteral


def _nested(text: str, at: int, depth: int) -> tuple[Value, int]:
    attributes: dict[str, Value] = {}
    while True:
        kind, name, at = _next(text, at)
        if name == "]" and kind == "mark":
            return attributes, at
        if name == ";" and kind == "mark":
            continue
        _, equals, at = _next(text, at)
        if kind != "word" or equals != "=":
            raise _NoLiteral
        attributes[name.lower()], at = _literal(text, at, depth + 1)


def _next(text: str, at: int) -> tuple[str, str, int]:
    match = _TOKEN.match(text, at)
    if not match or not match.lastgroup:
        raise _NoLiteral
    return match.lastgroup, match[match.lastgroup], match.end()


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text, flags=re.DOTALL)

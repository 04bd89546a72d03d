"""ClassAds, old syntax and new: literals become Python values, all else stays text, as an Expression.

Old syntax, as in .job.ad and .machine.ad, is one `Name = value` a line, and a backslash in a string
means itself, save before a quote. New syntax is `[ Name = value; ... ]` over any number of lines, with
escapes as in C. Source: HTCondor manual, "ClassAd syntax", and what classads of 25.14 makes of both.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple, Union

from jobwrap.letters import is_decimal


class Expression(NamedTuple):
    """What only a ClassAd evaluator could give a value, `error` included; its text as it stood."""

    text: str


Value = Union[str, int, float, bool, None, Expression, "list[Value]", "dict[str, Value]"]

_WORDS = {"true": True, "false": False, "undefined": None}
# Compiled when one is first used: an ordinary ad has nothing that needs them.
_BLANK = r"(?:\s|//[^\n]*|/\*.*?(?:\*/|\Z))*"
_TOKEN = (
    rf"(?xs){_BLANK}"
    r"""(?:
    (?P<string>"(?:[^"\\]|\\.)*") | (?P<quoted>'(?:[^'\\]|\\.)*')
    | (?P<real>[-+]?(?:(?:\d+\.\d+|\.\d+)(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)(?![\w.]))
    | (?P<integer>[-+]?(?:0|[1-9]\d*)(?![\w.])) | (?P<word>[A-Za-z_][A-Za-z0-9_.]*)
    | (?P<mark>[][{}()=;,]) | (?P<odd>\.?\d[\w.]*) | (?P<other>[^\s"'])
    )"""
)
_END = rf"(?s){_BLANK}\Z"
_ESCAPE = r"(?s)\\([0-3][0-7]{2}|[0-7]{1,2}|.)"
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_OPENED_BY = {"]": "[", "}": "{", ")": "("}
_DEPTH = 32
_SHORT = 19  # digits, of which each number is below 2**63


def parse_ad(text: str) -> dict[str, Value]:
    """The attributes of an ad in either syntax, by lower-case name: names have no case; the last one counts.

    Of old syntax, lines that are no attribute are passed over, as HTCondor does with comments and blanks;
    an ad in new syntax that is broken is empty.
    """
    if text.lstrip().startswith("["):
        value = parse_value(text.strip(), new=True)
        return value if isinstance(value, dict) else {}
    attributes: dict[str, Value] = {}
    for line in text.split("\n"):
        name, equals, value_text = line.partition("=")
        name = name.strip()
        if equals and _is_name(name):
            attributes[name.lower()] = parse_value(value_text.strip())
    return attributes


def parse_value(text: str, *, new: bool = False) -> Value:
    """The value of one literal, or the text as an Expression; new: the syntax of its strings."""
    # Short cuts, as ads have some hundred attributes, nearly all of them of these kinds.
    if text[:1] == '"' == text[-1:] and text.count('"') == 2 and "\\" not in text:  # noqa: PLR2004
        return text[1:-1]
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if text[:1] in ("(", "!") or _first_word(text).lower() not in ("", *_WORDS):
        return Expression(text)
    digits = text[1:] if text[:1] == "-" else text
    if is_decimal(digits) and (digits[0] != "0" or digits[1:2] in ("", ".")) and len(digits) < _SHORT:
        return float(text) if "." in digits else int(text)
    try:
        value, _ = _Reader(text, new).item(0, "", 0)
    except _Broken:
        return Expression(text)
    return Expression(text) if isinstance(value, Expression) else value


def format_value(value: Value) -> str:
    """A value in old syntax, for a line that HTCondor reads; a line break in a string becomes a blank."""
    if isinstance(value, Expression):
        return value.text
    if isinstance(value, str):
        return '"{}"'.format(re.sub(r"[\r\n\0]", " ", value).replace('"', r"\""))
    if isinstance(value, list):
        return "{ " + ", ".join(map(format_value, value)) + " }"
    if isinstance(value, dict):
        return "[ " + "; ".join(f"{name} = {format_value(each)}" for name, each in value.items()) + " ]"
    if isinstance(value, float) and not math.isfinite(value):
        return f'real("{value}")'
    return "undefined" if value is None else repr(value).lower()  # True, 7, 1e-05


def _first_word(text: str) -> str:
    """The name that it begins with, "" for none."""
    end = next((at for at, letter in enumerate(text) if not (letter.isalnum() or letter in "_.")), len(text))
    return text[:end] if _is_name(text[:end]) else ""


def _is_name(text: str) -> bool:
    return text.isascii() and text[:1] != "." and text.replace(".", "_").isidentifier()


class _Broken(Exception):
    """Brackets that do not pair, a string that never ends, or deeper nesting than anyone writes."""


class _Reader:
    """Reads one text; one in old syntax as if it were in new, with the backslashes that this takes."""

    def __init__(self, text: str, new: bool) -> None:
        # Old to new: every backslash is doubled but the one before a quote that does not end the value.
        self.text = text if new else re.sub(r'\\(?!"(?!\s*\Z))', r"\\\\", text)
        self.new = new
        self._token, self._end = re.compile(_TOKEN).match, re.compile(_END).match

    def item(self, at: int, ends: str, depth: int) -> tuple[Value, int]:
        """The value that starts at `at`, and where the mark of `ends` ("": the text's end) behind it is."""
        if depth > _DEPTH:
            raise _Broken
        literal = self._literal(at, depth)
        if literal is not None and self._stands_at_end(literal[1], ends):
            return literal
        end = self._expression_end(at, ends)
        text = self.text[at:end].strip()
        return Expression(text if self.new else text.replace("\\\\", "\\")), end

    def _literal(self, at: int, depth: int) -> tuple[Value, int] | None:
        kind, token, after = self._next(at)
        if token == "{":
            return self._list(after, depth + 1)
        if token == "[":
            return self._nested(after, depth + 1)
        if kind == "word" and token.lower() in _WORDS:
            return _WORDS[token.lower()], after
        value: Value = None
        if kind == "string":
            value = _unescape(token[1:-1])
        elif kind in ("integer", "real"):
            value = _number(token)
        return None if value is None else (value, after)

    def _list(self, at: int, depth: int) -> tuple[Value, int]:
        items: list[Value] = []
        if self._next(at)[1] == "}":
            return items, self._next(at)[2]
        while True:
            item, at = self.item(at, ",}", depth)
            items.append(item)
            _, mark, at = self._next(at)
            if mark == "}":
                return items, at

    def _nested(self, at: int, depth: int) -> tuple[Value, int]:
        attributes: dict[str, Value] = {}
        while True:
            kind, name, at = self._next(at)
            if name == ";" and kind == "mark":
                continue
            if name == "]" and kind == "mark":
                return attributes, at
            if kind == "quoted":
                name = _unescape(name[1:-1]) or ""
            _, equals, at = self._next(at)
            if kind not in ("word", "quoted") or equals != "=":
                raise _Broken
            attributes[name.lower()], at = self.item(at, ";]", depth)

    def _expression_end(self, at: int, ends: str) -> int:
        """The place of the first mark of `ends` that is in no bracket, quote or comment."""
        open_brackets: list[str] = []
        while not (self._stands_at_end(at, ends) and not open_brackets):
            kind, token, after = self._next(at)
            if kind == "mark" and token in "[{(":
                open_brackets.append(token)
            elif (
                kind == "mark"
                and token in "]})"
                and (not open_brackets or open_brackets.pop() != _OPENED_BY[token])
            ):
                raise _Broken
            at = after
        return at

    def _stands_at_end(self, at: int, ends: str) -> bool:
        if not ends:
            return bool(self._end(self.text, at))
        match = self._token(self.text, at)
        return bool(match and match["mark"] and match["mark"] in ends)

    def _next(self, at: int) -> tuple[str, str, int]:
        match = self._token(self.text, at)
        if not match or not match.lastgroup:
            raise _Broken
        return match.lastgroup, match[match.lastgroup], match.end()


def _number(token: str) -> int | float | None:
    """HTCondor's integers have 64 bits, its reals are finite; None for what is neither."""
    if not token.lstrip("+-").isdecimal():
        real = float(token)
        return real if math.isfinite(real) else None
    # Python refuses to read thousands of digits.
    number = int(token) if len(token) <= 20 else 1 << 63  # noqa: PLR2004  # 19 digits and a sign
    return number if -(1 << 63) <= number < 1 << 63 else None


def _unescape(text: str) -> str | None:
    """The string that is written so; None if it holds a NUL, which neither ClassAds nor the kernel take."""
    if "\\" in text:
        text = re.sub(_ESCAPE, _escaped, text)
    return None if "\0" in text else text


def _escaped(match: re.Match[str]) -> str:
    character = match[1]
    if character[0] in "01234567":
        return chr(int(character, 8))
    return _ESCAPES.get(character, character)

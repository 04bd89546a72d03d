"""ClassAds, old syntax and new: literals become Python values, all else stays text, as an Expression.

Old syntax, as in .job.ad and .machine.ad, is one `Name = value` a line, and a backslash in a string
means itself, save before a quote. New syntax is `[ Name = value; ... ]` over any number of lines, with
escapes as in C. Source: HTCondor manual, "ClassAd syntax", and what classads of 25.14 makes of both.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple, Union


class Expression(NamedTuple):
    """What only a ClassAd evaluator could give a value, `error` included; its text as it stood."""

    text: str


Value = Union[str, int, float, bool, None, Expression, "list[Value]", "dict[str, Value]"]

_WORDS = {"true": True, "false": False, "undefined": None}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_BLANK = r"(?:\s|//[^\n]*|/\*.*?\*/)*"
_TOKEN = re.compile(
    _BLANK
    + r"""(?:
    (?P<string>"(?:[^"\\]|\\.)*") | (?P<quoted>'(?:[^'\\]|\\.)*')
    | (?P<real>[-+]?(?:(?:\d+\.\d+|\.\d+)(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)(?![\w.]))
    | (?P<integer>[-+]?(?:0|[1-9]\d*)(?![\w.])) | (?P<word>[A-Za-z_][A-Za-z0-9_.]*)
    | (?P<mark>[][{}()=;,]) | (?P<other>[^\s"'])
    )""",
    re.VERBOSE | re.DOTALL,
)
_END = re.compile(_BLANK + r"\Z", re.DOTALL)
_ESCAPE = re.compile(r"\\([0-3][0-7]{2}|[0-7]{1,2}|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_OPENED_BY = {"]": "[", "}": "{", ")": "("}
_DEPTH = 32


def parse_ad(text: str) -> dict[str, Value]:
    """The attributes of an ad in either syntax, by lower-case name as names have no case; the last one counts.

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
        if equals and _NAME.fullmatch(name):
            attributes[name.lower()] = parse_value(value_text.strip())
    return attributes


def parse_value(text: str, *, new: bool = False) -> Value:
    """The value of one literal, or the text as an Expression; new: the syntax of its strings."""
    # An ad has some hundred attributes, nearly all of them of these three kinds.
    if text[:1] == '"' == text[-1:] and text.count('"') == 2 and "\\" not in text:  # noqa: PLR2004
        return text[1:-1]
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if not new:
        text = _as_new(text)
    try:
        value, end = _Reader(text).item(0, "", 0)
    except _Broken:
        value, end = None, -1
    if end < 0 or isinstance(value, Expression):
        return Expression(text if new else _as_old(text))
    return value


def format_value(value: Value) -> str:
    """A value in old syntax, for a line that HTCondor reads; a line break in a string becomes a blank."""
    if value is None:
        return "undefined"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Expression):
        return value.text
    if isinstance(value, str):
        return '"{}"'.format(re.sub(r"[\r\n\0]", " ", value).replace('"', r"\""))
    if isinstance(value, list):
        return "{ " + ", ".join(map(format_value, value)) + " }"
    if isinstance(value, dict):
        return "[ " + "; ".join(f"{name} = {format_value(each)}" for name, each in value.items()) + " ]"
    return repr(value) if math.isfinite(value) else f'real("{value}")'


def _as_new(text: str) -> str:
    """Old syntax as new: every backslash doubled but the one before a quote that does not end the value."""
    return re.sub(r'\\(?!"(?!\s*\Z))', r"\\\\", text)


def _as_old(text: str) -> str:
    return text.replace("\\\\", "\\")


class _Broken(Exception):
    """Brackets that do not pair, a string that never ends, or deeper nesting than anyone writes."""


class _Reader:
    """Reads one text in new syntax."""

    def __init__(self, text: str) -> None:
        self.text = text

    def item(self, at: int, ends: str, depth: int) -> tuple[Value, int]:
        """The value that starts at `at` and the place of the mark of `ends` behind it ("": the text's end)."""
        if depth > _DEPTH:
            raise _Broken
        literal = self._literal(at, depth)
        if literal is not None and self._stands_at_end(literal[1], ends):
            return literal
        end = self._expression_end(at, ends)
        return Expression(self.text[at:end].strip()), end

    def _literal(self, at: int, depth: int) -> tuple[Value, int] | None:
        kind, token, after = self._next(at)
        if kind == "string":
            string = _unescape(token[1:-1])
            return None if string is None else (string, after)
        if kind == "integer":
            # HTCondor's integers have 64 bits; Python refuses to read thousands of digits.
            number = int(token) if len(token) <= 20 else 1 << 63  # noqa: PLR2004  # 19 digits and a sign
            return (number, after) if -(1 << 63) <= number < 1 << 63 else None
        if kind == "real":
            return (float(token), after) if math.isfinite(float(token)) else None
        if kind == "word" and token.lower() in _WORDS:
            return _WORDS[token.lower()], after
        if token == "{":
            return self._list(after, depth + 1)
        if token == "[":
            return self._nested(after, depth + 1)
        return None

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
            return bool(_END.match(self.text, at))
        match = _TOKEN.match(self.text, at)
        return bool(match and match["mark"] and match["mark"] in ends)

    def _next(self, at: int) -> tuple[str, str, int]:
        match = _TOKEN.match(self.text, at)
        if not match or not match.lastgroup:
            raise _Broken
        return match.lastgroup, match[match.lastgroup], match.end()


def _unescape(text: str) -> str | None:
    """The string that is written so; None if it holds a NUL, which neither ClassAds nor the kernel take."""
    if "\\" in text:
        text = _ESCAPE.sub(_escaped, text)
    return None if "\0" in text else text


def _escaped(match: re.Match[str]) -> str:
    character = match[1]
    if character[0] in "01234567":
        return chr(int(character, 8))
    return _ESCAPES.get(character, character)

"""JSON by the engine in C that the standard library's json has, without the package around it.

To import json, and the re that its decoder wants, takes 9 ms, a tenth of what a container takes to start.
A Python that has no such engine gets the package.
"""

from __future__ import annotations

from typing import Any


class _Options:
    """What json.loads has by default."""

    strict, object_hook, object_pairs_hook = True, None, None
    parse_float, parse_int, parse_constant = float, int, float


def encode(value: Any) -> str:
    """One line, letters beyond ASCII as they are; TypeError for what is no plain data."""
    try:
        from _json import encode_basestring, make_encoder

        engine = make_encoder(None, _refuse, encode_basestring, None, ": ", ", ", False, False, True)
    except (ImportError, TypeError):
        import json

        return json.JSONEncoder(ensure_ascii=False).encode(value)
    return "".join(engine(value, 0))


def decode(text: str) -> Any:
    """The value that the text is; ValueError for none, RecursionError for one that is too deep."""
    try:
        from _json import make_scanner

        engine = make_scanner(_Options)  # type: ignore[arg-type]  # it asks for the attributes alone
    except (ImportError, TypeError, AttributeError):
        import json

        return json.loads(text)
    text = text.strip(" \t\n\r")
    try:
        value, end = engine(text, 0)
    except StopIteration:
        raise ValueError("this is no JSON") from None
    if end < len(text):
        raise ValueError("there is more behind the JSON")
    return value


def _refuse(value: object) -> None:
    raise TypeError(f"{type(value).__name__} is no plain data")

"""Whether a record has the form of schema.json: of JSON Schema (2020-12) the keywords that it uses."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "integer": lambda value: isinstance(value, (int, float))
    and not isinstance(value, bool)
    and value % 1 == 0,
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
}
_REFERENCE = "#/$defs/"


def schema() -> Any:
    """schema.json; also from inside a zip file."""
    loader: Any = __spec__.loader
    return json.loads(loader.get_data(os.path.join(os.path.dirname(__file__), "schema.json")))


def problems(record: object) -> list[str]:
    """What is wrong with it, a line each beginning with where that is; [] for nothing."""
    whole = schema()
    return list(_problems(record, whole, whole["$defs"], "record"))


def _problems(value: Any, rules: Any, definitions: Any, where: str) -> Iterator[str]:
    for keyword, rule in rules.items():
        check = _CHECKS.get(keyword)
        if check and (problem := check(value, rule)):
            yield f"{where}: {problem}"
    yield from _inside(value, rules, definitions, where)
    yield from _elsewhere(value, rules, definitions, where)


def _inside(value: Any, rules: Any, definitions: Any, where: str) -> Iterator[str]:
    """The members of an object, the items of an array."""
    if isinstance(value, dict):
        known, others = rules.get("properties", {}), rules.get("additionalProperties", {})
        for name, each in value.items():
            if name not in known and others is False:
                yield f"{where}: has {name}, which is not of the form"
            else:
                yield from _problems(each, known.get(name, others), definitions, f"{where}.{name}")
    if isinstance(value, list) and "items" in rules:
        for number, each in enumerate(value):
            yield from _problems(each, rules["items"], definitions, f"{where}[{number}]")


def _elsewhere(value: Any, rules: Any, definitions: Any, where: str) -> Iterator[str]:
    """Rules that rest on other rules."""

    def holds(rule: Any) -> bool:
        return next(_problems(value, rule, definitions, where), None) is None

    if "$ref" in rules:
        yield from _problems(value, definitions[rules["$ref"][len(_REFERENCE) :]], definitions, where)
    if "anyOf" in rules and not any(map(holds, rules["anyOf"])):
        yield f"{where}: {value!r} is none of what may stand here"
    for rule in rules.get("allOf", ()):
        yield from _problems(value, rule, definitions, where)
    if "if" in rules and holds(rules["if"]):
        yield from _problems(value, rules["then"], definitions, where)


def _type(value: Any, rule: Any) -> str:
    names = [rule] if isinstance(rule, str) else rule
    return "" if any(_TYPES[name](value) for name in names) else f"must be {' or '.join(names)}"


def _required(value: Any, rule: Any) -> str:
    missing = [name for name in rule if isinstance(value, dict) and name not in value]
    return f"lacks {', '.join(missing)}" if missing else ""


def _pattern(value: Any, rule: str) -> str:
    return (
        f"{value!r} does not look like {rule}"
        if isinstance(value, str) and not re.search(rule, value)
        else ""
    )


_CHECKS: dict[str, Callable[[Any, Any], str]] = {
    "type": _type,
    "required": _required,
    "pattern": _pattern,
    "enum": lambda value, rule: "" if value in rule else f"{value!r} is none of {', '.join(map(str, rule))}",
    "const": lambda value, rule: "" if value == rule else f"must be {rule}",
    "minimum": lambda value, rule: f"must be at least {rule}" if _is_less(value, rule) else "",
    "maximum": lambda value, rule: f"must be at most {rule}" if _is_less(rule, value) else "",
}
KEYWORDS = {
    *_CHECKS,
    *("properties", "additionalProperties", "items", "$ref", "anyOf", "allOf", "if", "then"),
    *("$schema", "$id", "$defs", "title", "description"),
}


def _is_less(one: Any, other: Any) -> bool:
    return _TYPES["number"](one) and _TYPES["number"](other) and bool(one < other)

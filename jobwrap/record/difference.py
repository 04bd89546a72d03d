"""What was different between two runs: the one that worked, say, and the one that did not."""

from __future__ import annotations

from typing import Any

Difference = tuple[str, Any, Any]
# Always different, and never why.
_EACH_ITS_OWN = {"id", "pid", "started", "ended", "cost", "boot", "finished_later", "timing"}
_EACH_ITS_OWN |= {"series", "samples", "sources"}
_TELLING = 2.0  # what is measured counts as different from this factor on, and from the least that tells
# What is measured, by a word of its name, and the least difference that tells something.
_MEASURED = {
    "seconds": 1.0,
    "peak_memory": 16 << 20,
    "peak_disk": 16 << 20,
    "peak_": 5,
    "bytes_": 16 << 20,
    "faults": 1000,
    "switches": 1000,
    "free_disk": 1 << 30,
    "free_inodes": 10_000,
}
_NAMES = ("name", "target", "source")  # what a list's objects are known by
ABSENT = "(absent)"


def differences(first: dict[str, Any], second: dict[str, Any]) -> list[Difference]:
    """(where, in the first, in the second); what is measured only where the difference is telling."""
    found: list[Difference] = []
    _compare("", _placed(first), _placed(second), found)
    return found


def _placed(record: dict[str, Any]) -> dict[str, Any]:
    """The record with its scratch folder called SCRATCH wherever else it stands: that differs anyway."""
    scratch = record["job"].get("scratch", "")

    def placed(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace(scratch, "SCRATCH") if len(scratch) > 1 else value
        if isinstance(value, dict):
            return {name: placed(each) for name, each in value.items()}
        return [placed(each) for each in value] if isinstance(value, list) else value

    whole: dict[str, Any] = placed(record)
    whole["job"]["scratch"] = scratch
    return whole


def _compare(where: str, one: Any, other: Any, found: list[Difference]) -> None:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in [*one, *(name for name in other if name not in one)]:
            if name not in _EACH_ITS_OWN:
                inner = f"{where}.{name}" if where else name
                _compare(inner, one.get(name, ABSENT), other.get(name, ABSENT), found)
    elif isinstance(one, list) and isinstance(other, list):
        _compare_lists(where, one, other, found)
    elif one != other and not _is_noise(where, one, other):
        found.append((where, one, other))


def _compare_lists(where: str, one: list[Any], other: list[Any], found: list[Difference]) -> None:
    if all(isinstance(each, dict) for each in (*one, *other)):
        ours, theirs = _by_name(one), _by_name(other)
        for name in [*ours, *(name for name in theirs if name not in ours)]:
            _compare(f"{where}[{name}]", ours.get(name, ABSENT), theirs.get(name, ABSENT), found)
    elif one != other:
        only_one = [each for each in one if each not in other]
        only_other = [each for each in other if each not in one]
        found.append((where, only_one, only_other) if only_one or only_other else (where, one, other))


def _by_name(objects: list[dict[str, Any]]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for number, each in enumerate(objects):
        name = next((str(each[key]) for key in _NAMES if each.get(key)), str(number))
        named[name if name not in named else f"{name} {number}"] = each
    return named


def _is_noise(where: str, one: Any, other: Any) -> bool:
    last = where.rpartition(".")[2]
    least = next((least for word, least in _MEASURED.items() if word in last), None)
    figures = [0 if each == ABSENT else each for each in (one, other)]
    if least is None or not all(isinstance(each, (int, float)) for each in figures):
        return False
    less, more = sorted(figures)
    return bool(more <= _TELLING * less or more - less < least)

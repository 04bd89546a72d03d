"""What was different between two runs: the one that worked, say, and the one that did not."""

from __future__ import annotations

from typing import Any

Difference = tuple[str, Any, Any]
# Always different, and never why.
_EACH_ITS_OWN = {"id", "pid", "started", "ended", "cost", "boot", "finished_later", "timing"}
_TELLING = 2.0  # a duration or a peak counts as different from this factor on …
_NOISE = 1.0  # … and this many seconds
_MEASURED = ("seconds", "peak_memory", "faults", "blocks_read", "blocks_written", "switches")
_NAMES = ("name", "target", "source")  # what a list's objects are known by
ABSENT = "(absent)"


def differences(first: dict[str, Any], second: dict[str, Any]) -> list[Difference]:
    """(where, in the first, in the second); what is measured only where the difference is telling."""
    found: list[Difference] = []
    _compare("", first, second, found)
    return found


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
    if not any(word in last for word in _MEASURED):
        return False
    if not isinstance(one, (int, float)) or not isinstance(other, (int, float)):
        return False
    less, more = sorted((one, other))
    return more <= _TELLING * less or ("seconds" in last and more - less < _NOISE)

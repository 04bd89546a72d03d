"""The table of --timing: where the time of one job went, and what of it jobwrap added."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_SPANS = (
    ("before", "before the launch"),
    ("container_start", "the container's start"),
    ("held", "held for the inputs"),
    ("task", "the task"),
    ("container_end", "the container's end"),
    ("after", "outputs and record"),
)
# The phases in each; before the first of them Python starts, and all that is imported at once.
_START = "Python and imports"
_PHASES = {"before": (_START, "survey", "plan"), "held": ("stage-in",), "after": ("stage-out",)}
_OWN = "jobwrap's"


def lines(record: dict[str, Any]) -> list[str]:
    """One line a span of the record's timing; one a phase where no task ran to its end."""
    phases = {each["name"]: each["seconds"] for each in record["phases"] if "seconds" in each}
    timing = record.get("timing")
    if not timing:
        return [_line(f"the phase {name}", seconds) for name, seconds in phases.items()]
    in_phases = sum(phases.get(name, 0) for name in _PHASES["before"])
    phases[_START] = timing["before"] - in_phases
    told = [_line(words, timing[name], _remark(name, phases)) for name, words in _SPANS]
    whole = sum(timing[name] for name, _ in _SPANS)
    return [*told, _line("all of it", whole, f"jobwrap added {timing['added']:.3f}")]


def _remark(span: str, phases: dict[str, float]) -> str:
    parts = ", ".join(_parts(_PHASES[span], phases)) if span in _PHASES else ""
    return f"{_OWN}: {parts}" if parts else ""


def _parts(names: tuple[str, ...], phases: dict[str, float]) -> Iterator[str]:
    return (f"{name} {phases[name]:.3f}" for name in names if name in phases)


def _line(words: str, seconds: float, remark: str = "") -> str:
    return f"  {words:<24}{seconds:>9.3f} s  {remark}".rstrip()

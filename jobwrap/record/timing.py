"""The table of --timing: where the time of one job went, and what of it jobwrap added."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

_SPANS = (
    ("before", "before the launch"),
    ("container_start", "the container's start"),
    ("held", "held for the inputs"),
    ("task", "the task"),
    ("container_end", "the container's end"),
    ("after", "outputs and record"),
)
# Before the first phase Python starts, and all that is imported at once.
_START = "Python and imports"
_OWN = "jobwrap's"


def lines(record: dict[str, Any]) -> list[str]:
    """One line a span of the record's timing; one a phase where no task ran to its end."""
    phases = {each["name"]: each["seconds"] for each in record["phases"] if "seconds" in each}
    timing = record.get("timing")
    if not timing:
        return [_line(f"the phase {name}", seconds) for name, seconds in phases.items()]
    early = list(phases)[: list(phases).index("launch")]
    spans = {"before": (_START, *early), "held": {"stage-in"}.difference(early), "after": ("stage-out",)}
    phases[_START] = timing["before"] - sum(phases[name] for name in early)
    told = [_line(words, timing[name], _remark(spans.get(name, ()), phases)) for name, words in _SPANS]
    whole = sum(timing[name] for name, _ in _SPANS)
    return [*told, _line("all of it", whole, f"jobwrap added {timing['added']:.3f}")]


def _remark(names: Iterable[str], phases: dict[str, float]) -> str:
    """What of a span's time went where."""
    parts = ", ".join(_parts(names, phases))
    return f"{_OWN}: {parts}" if parts else ""


def _parts(names: Iterable[str], phases: dict[str, float]) -> Iterator[str]:
    return (f"{name} {phases[name]:.3f}" for name in names if name in phases)


def _line(words: str, seconds: float, remark: str = "") -> str:
    return f"  {words:<24}{seconds:>9.3f} s  {remark}".rstrip()

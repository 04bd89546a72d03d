"""What one benchmark found: tables, a plot, figures that a budget asks for; and how these become Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.bars import Bar, Group
from benchmarks.budgets import Check
from benchmarks.measure import Run, median, p90, ratio
from benchmarks.units import TIMES, seconds


class Table(NamedTuple):
    """title stands above it; a row is one text a column."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Result(NamedTuple):
    """plot is the SVG's text; rounds says in words how often what was run."""

    tables: list[Table]
    plot: str
    rounds: str
    checks: Sequence[Check] = ()
    failed: int = 0


def compared(title: str, runs: dict[str, list[Run]], bases: Sequence[str]) -> Table:
    """Programs side by side, each with its wall time by that of the bases."""
    head = ["", "wall, p50", "p90", "CPU, p50", "p90", *(f"{TIMES} {base}" for base in bases), "failed"]
    rows = []
    for name, seen in runs.items():
        walls, cpus = [each.wall for each in seen], [each.cpu for each in seen]
        times = [seconds(of(values)) for values in (walls, cpus) for of in (median, p90)]
        ratios = [f"{ratio(seen, runs[base]):.2f}" for base in bases]
        rows.append([name, *times, *ratios, str(failed(seen))])
    return Table(title, head, rows)


def group_of(title: str, runs: dict[str, list[Run]], limit: float | None = None) -> Group:
    """The same as bars; limit is a budget's multiple of the first program."""
    base = median(each.wall for each in next(iter(runs.values())))
    bars = [_bar(name, [each.wall for each in seen]) for name, seen in runs.items()]
    return Group(title, bars, None if limit is None else limit * base)


def _bar(name: str, walls: list[float]) -> Bar:
    return Bar(name, median(walls), p90(walls), ours=name.startswith("jobwrap"))


def failed(runs: Sequence[Run]) -> int:
    return sum(not each.good for each in runs)


def markdown(tables: Sequence[Table]) -> str:
    """The tables under each other."""
    blocks = []
    for table in tables:
        lines = [f"**{table.title}**", ""] if table.title else []
        lines += [_row(table.head), _row(["---"] * len(table.head)), *map(_row, table.rows)]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"

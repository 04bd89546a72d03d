"""A plot of bars in groups: a median each, a whisker up to its p90, a dashed line where a budget ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks import svg
from benchmarks.units import seconds

_LEFT, _RIGHT, _ROW, _BAR = 250, 80, 20, 12


class Bar(NamedTuple):
    """value is its length, high the whisker's end (None: no whisker); ours gives it jobwrap's colour."""

    name: str
    value: float
    high: float | None = None
    ours: bool = False


class Group(NamedTuple):
    """Bars under one title; limit is the value that those of jobwrap may not exceed."""

    title: str
    bars: Sequence[Bar]
    limit: float | None = None


def plot(groups: Sequence[Group], unit: Callable[[float], str] = seconds) -> str:
    """The SVG; unit makes words of a value."""
    ends = [max(bar.value, bar.high or 0) for group in groups for bar in group.bars]
    marks = svg.steps(max(ends + [group.limit or 0 for group in groups]))
    scale = (svg.WIDTH - _LEFT - _RIGHT) / marks[-1]
    shapes: list[str] = []
    y = 12.0
    for group in groups:
        shapes += _group(group, y, scale, unit)
        y += (len(group.bars) + 1) * _ROW + 8
    axis = [svg.line((_LEFT, 8), (_LEFT, y), "axis")]
    axis += [
        svg.text(_LEFT + mark * scale, y + 14, unit(mark) if mark else "0", "soft", "middle")
        for mark in marks
    ]
    return svg.picture(y + 24, [*axis, *shapes])


def _group(group: Group, top: float, scale: float, unit: Callable[[float], str]) -> list[str]:
    shapes = [svg.text(12, top + 13, group.title, "title")]
    for number, bar in enumerate(group.bars, 1):
        shapes += _bar(bar, top + number * _ROW, scale, unit)
    if group.limit is not None:
        x, end = _LEFT + group.limit * scale, top + (len(group.bars) + 1) * _ROW
        shapes += [svg.line((x, top + 16), (x, end), svg.LIMIT), svg.text(x + 4, top + 13, "budget", "soft")]
    return shapes


def _bar(bar: Bar, y: float, scale: float, unit: Callable[[float], str]) -> list[str]:
    middle, end = y + _ROW / 2, _LEFT + bar.value * scale
    high = max(end, _LEFT + (bar.high or 0) * scale)
    shapes = [
        svg.text(_LEFT - 8, middle + 4, bar.name, anchor="end"),
        svg.box(_LEFT, middle - _BAR / 2, end - _LEFT, _BAR, svg.OURS if bar.ours else svg.OTHERS),
        svg.text(svg.WIDTH - 12, middle + 4, unit(bar.value), "soft", "end"),
    ]
    if bar.high is not None:
        shapes.append(svg.line((end, middle), (high, middle), "whisker"))
    return shapes

"""A plot of how a time goes on as jobs follow one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from benchmarks import svg
from benchmarks.units import seconds

_LEFT, _RIGHT, _TOP, _HEIGHT = 80, 30, 40, 200


class Course(NamedTuple):
    """points are (number of jobs before, seconds)."""

    name: str
    points: Sequence[tuple[float, float]]
    ours: bool = False


def plot(courses: Sequence[Course]) -> str:
    """The SVG."""
    points = [point for course in courses for point in course.points]
    across, up = svg.steps(max(x for x, _ in points)), svg.steps(max(y for _, y in points))
    wide, high = (svg.WIDTH - _LEFT - _RIGHT) / across[-1], _HEIGHT / up[-1]
    bottom = _TOP + _HEIGHT
    shapes = []
    for mark in up:
        y = bottom - mark * high
        shapes.append(svg.line((_LEFT, y), (svg.WIDTH - _RIGHT, y), "axis"))
        shapes.append(svg.text(_LEFT - 8, y + 4, seconds(mark) if mark else "0", "soft", "end"))
    for mark in across:
        shapes.append(svg.text(_LEFT + mark * wide, bottom + 18, f"{mark:g}", "soft", "middle"))
    for number, course in enumerate(courses):
        kind = svg.OURS if course.ours else svg.OTHERS
        shapes.append(svg.box(_LEFT + number * 320, 12, 12, 12, kind))
        shapes.append(svg.text(_LEFT + number * 320 + 18, 22, course.name))
        shapes.append(svg.course([(_LEFT + x * wide, bottom - y * high) for x, y in course.points], kind))
    shapes.append(svg.text(svg.WIDTH / 2, bottom + 36, "jobs before", "soft", "middle"))
    return svg.picture(bottom + 48, shapes)

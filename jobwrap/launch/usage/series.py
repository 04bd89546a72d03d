"""The course of a task in a few points, for plots: however long it runs, there are never more."""

from __future__ import annotations

from typing import Any

from jobwrap.launch.usage.figures import Sample, highest

POINTS = 60


class Series:
    """Points in the order of time, each with the highest figures since the one before."""

    def __init__(self) -> None:
        self.points: list[Sample] = []

    def add(self, sample: Sample) -> None:
        """One more point; when it is full, each two become one."""
        if len(self.points) == POINTS:
            self.points = [highest(*self.points[at : at + 2]) for at in range(0, POINTS, 2)]
        self.points.append(sample)

    def columns(self) -> dict[str, list[Any]]:
        """A list for each figure that was ever told, all of one length."""
        columns = {name: [_short(getattr(point, name)) for point in self.points] for name in Sample._fields}
        return {name: column for name, column in columns.items() if set(column) - {None}}


def _short(figure: float | None) -> float | None:
    return round(figure, 2) if isinstance(figure, float) else figure

"""Figures for people."""

from __future__ import annotations

TIMES = "×"  # noqa: RUF001  # what stands before a multiple


def seconds(value: float) -> str:
    """Three digits, in the unit that suits them."""
    for factor, unit in ((1, "s"), (1e3, "ms")):
        if value * factor >= 1:
            return f"{_three(value * factor)} {unit}"
    return f"{_three(value * 1e6)} µs"


def megabytes(value: float) -> str:
    return f"{value / 1e6:.1f} MB"


def _three(value: float) -> str:
    return f"{value:.{max(0, 3 - len(str(int(value))))}f}"

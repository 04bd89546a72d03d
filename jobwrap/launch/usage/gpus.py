"""What the granted GPUs do, by NVML: asked in a process that nobody waits for, since a driver may hang.

AMD's are not asked. Held against a library of the tests' own; not tested on hardware.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobwrap.node import probe
from jobwrap.node.gpu import is_among

_FIRST = 5.0  # seconds of the task
_EVERY = 30.0  # seconds from one question to the next, or more:
_SHARE = 2000  # so many times the CPU that it took
_PATIENCE = 120.0  # without an answer for so long, nothing is asked any more
_NEVER = float("inf")


class GpuUse:
    """The use of the GPUs `granted`, as the batch system named them."""

    def __init__(self, granted: Sequence[str]) -> None:
        self._granted = tuple(granted)
        self._asked: probe.Pending | None = None
        self._asked_at = 0.0
        self._next_at = _FIRST if granted else _NEVER
        self._told: dict[str, list[tuple[int | None, int | None, int | None]]] = {}

    def look(self, at: float) -> None:
        """Takes the answer if it came, and asks anew if it is time; `at` is in seconds of the task."""
        if self._asked and self._asked.came():
            self._next_at = self._asked_at + max(_EVERY, self._asked.cpu * _SHARE)
            self._take(self._asked.said)
            self._asked = None
        elif self._asked and at - self._asked_at > _PATIENCE:
            self.stop()
        if not self._asked and at >= self._next_at:
            self._asked_at = at
            self._asked = probe.Pending(_ask, what="the NVIDIA driver")

    def stop(self) -> None:
        """Nothing is asked any more."""
        self._next_at = _NEVER
        if self._asked:
            self._asked.abandon()
            self._asked = None

    def result(self) -> list[dict[str, Any]] | None:
        """For each granted GPU or slice what record/schema.json has under usage.gpus; None without any."""
        return [_summary(name, told) for name, told in self._told.items()] or None

    def _take(self, said: Any) -> None:
        if isinstance(said, Exception) or not said:
            self._next_at = _NEVER  # no library, or none that works
            return
        told = sorted(said, key=lambda each: str(each[0]).startswith("MIG-"))  # slices have no numbers
        names = [name for name, *_ in told]
        for at, (name, *figures) in enumerate(told):
            if any(is_among(each, names[: at + 1]) > is_among(each, names[:at]) for each in self._granted):
                self._told.setdefault(name, []).append(tuple(figures))


def _ask() -> Any:
    from jobwrap.node import nvml

    return nvml.ask_use()


def _summary(name: str, told: Sequence[tuple[int | None, int | None, int | None]]) -> dict[str, Any]:
    memory, busy, energy = ([value for value in column if value is not None] for column in zip(*told))
    return {
        "id": name,
        "peak_memory": max(memory, default=None),
        "busy": round(sum(busy) / len(busy) / 100, 3) if busy else None,
        "joules": round((energy[-1] - energy[0]) / 1000) if energy else None,
    }

"""What is kept of a task's samples for the exit record: the highest figures, and their course."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jobwrap.launch.usage.cgroup import Peaks
from jobwrap.launch.usage.figures import Sample, highest
from jobwrap.launch.usage.gpus import GpuUse
from jobwrap.launch.usage.scratch import Scratch
from jobwrap.launch.usage.series import Series
from jobwrap.launch.usage.sources import Sources

# The exit record's name for each figure of a Sample.
_NAMES = {
    "cpu": "cpu_seconds",
    "memory": "peak_memory",
    "read": "bytes_read",
    "written": "bytes_written",
    "processes": "peak_processes",
    "threads": "peak_threads",
    "disk": "peak_disk",
}


class Account:
    """One task's; gpus as in GpuUse."""

    def __init__(self, sources: Sources, scratch: str, gpus: Sequence[str]) -> None:
        self._sources = sources
        self._peaks: Peaks | None = None  # once it is closed
        self._scratch = Scratch(scratch)
        self._gpus = GpuUse(gpus)
        self._series = Series()
        self._highest = Sample(0)
        self._samples = 0

    def take(self, at: float, walk: float) -> Sample:
        """A sample at `at` seconds of the task, of which `walk` seconds may go to the scratch folder."""
        sample = Sample(at, *self._sources.read(), self._scratch.look(walk))
        self._gpus.look(at)
        self._series.add(sample)
        self._highest = highest(self._highest, sample)
        self._samples += 1
        return sample

    def result(self) -> dict[str, Any]:
        """The exit record's fields on usage, as far as samples tell them: see record/schema.json."""
        peaks = self._peaks or self._sources.peaks()
        most = highest(self._highest, Sample(0, threads=peaks.threads))
        if peaks.oom_kills:  # there was no file cache left then
            most = highest(most, Sample(0, memory=peaks.memory))
        told = {**self._sources.told, "disk": "walk"}
        fields = {name: getattr(most, figure) for figure, name in _NAMES.items()}
        fields.update(peak_memory_and_cache=peaks.memory, oom_kills=peaks.oom_kills, gpus=self._gpus.result())
        fields = {name: value for name, value in fields.items() if value is not None}
        if "cpu_seconds" in fields:
            fields["cpu_seconds"] = round(fields["cpu_seconds"], 3)
        return {
            "sources": {name: told[figure] for figure, name in _NAMES.items() if name in fields},
            **fields,
            "samples": self._samples,
            "series": self._series.columns(),
        }

    def close(self) -> None:
        """Leaves nothing behind: no process that asks, no folder that is open, no cgroup to look at."""
        self._peaks = self._sources.peaks()
        self._gpus.stop()
        self._scratch.stop()

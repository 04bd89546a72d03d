"""The sources of figures, the best one first: what one does not tell, the next one may."""

from __future__ import annotations

import os
from typing import Any

from jobwrap.launch.usage.cgroup import Peaks, Version2, find_cgroup
from jobwrap.launch.usage.figures import Figures
from jobwrap.launch.usage.processes import Processes

_SO_FAR = ("cpu", "read", "written")  # what a cgroup counts from its own beginning on
_KEEPER = 1  # the one process in a cgroup of the task's own that is not the task's


class Sources:
    """Everything that tells what the processes below `keeper` use.

    cgroup     folder of a cgroup v2 that is theirs alone, "" for none
    oom_kills  how many the cgroup that jobwrap is in had counted before the task
    told       which source gave each figure, by the figure's name
    """

    def __init__(self, keeper: int, cgroup: str = "", oom_kills: int = 0, root: str = "/") -> None:
        self._processes = Processes(keeper, root)
        self._cgroup = Version2(cgroup, _KEEPER) if cgroup else find_cgroup(os.getpid(), root)
        # What the cgroup had counted when the task started: jobwrap's own work, or an earlier job's.
        self._start = Figures(cpu=0.0, read=0, written=0) if cgroup else None
        self._before = Peaks(0, 0, 0) if cgroup else self._peaks()._replace(oom_kills=oom_kills)
        self.told: dict[str, str] = {}

    def read(self) -> Figures:
        """Each figure from the first source that tells it; none is asked for what is known already."""
        known: dict[str, Any] = {}
        if self._cgroup:
            self._take(known, self._of_cgroup(), self._cgroup.name)
        if len(known) < len(Figures._fields):
            self._take(known, self._processes.figures(), self._processes.name)
        return Figures(**known)

    def peaks(self) -> Peaks:
        """What the job's own cgroup alone knows, as far as it came about in the task's time."""
        now, before = self._peaks(), self._before
        return Peaks(
            now.memory if now.memory and now.memory > (before.memory or 0) else None,
            now.threads if now.threads and now.threads > (before.threads or 0) else None,
            None if now.oom_kills is None else now.oom_kills - (before.oom_kills or 0),
        )

    def _peaks(self) -> Peaks:
        return self._cgroup.peaks() if self._cgroup else Peaks()

    def _of_cgroup(self) -> Figures:
        """What it has counted since the task's start, which the first look learns from the processes."""
        now = self._cgroup.figures() if self._cgroup else Figures()
        if self._start is None:
            self._start = _less(now, self._processes.figures())
        return _less(now, self._start)

    def _take(self, known: dict[str, Any], figures: Figures, source: str) -> None:
        for name, value in figures._asdict().items():
            if value is not None and name not in known:
                known[name], self.told[name] = value, source


def _less(figures: Figures, other: Figures) -> Figures:
    """Without what `other` had so far; a figure that one of them lacks is not known."""
    pairs = {name: (getattr(figures, name), getattr(other, name)) for name in _SO_FAR}
    return figures._replace(
        **{name: None if None in pair else max(0, pair[0] - pair[1]) for name, pair in pairs.items()}
    )

"""The sources of figures, the best one first: what one does not tell, the next one may."""

from __future__ import annotations

import os
from typing import Any

from jobwrap.launch.usage.cgroup import Peaks, find_cgroup
from jobwrap.launch.usage.figures import Figures
from jobwrap.launch.usage.processes import Processes


class Sources:
    """Everything that tells what the processes below `keeper` use.

    told  which source gave each figure, by the figure's name
    """

    def __init__(self, keeper: int, root: str = "/") -> None:
        self._cgroup = find_cgroup(os.getpid(), root)
        processes = Processes(keeper, root)
        self._all = (self._cgroup, processes) if self._cgroup else (processes,)
        self.told: dict[str, str] = {}

    def read(self) -> Figures:
        """Each figure from the first source that tells it; none is asked for what is known already."""
        known: dict[str, Any] = {}
        for source in self._all:
            if len(known) == len(Figures._fields):
                break
            for name, value in source.figures()._asdict().items():
                if value is not None and name not in known:
                    known[name], self.told[name] = value, source.name
        return Figures(**known)

    def peaks(self) -> Peaks:
        """What the job's own cgroup alone knows."""
        return self._cgroup.peaks() if self._cgroup else Peaks()

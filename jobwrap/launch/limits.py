"""What the task may use of memory and scratch disk, and what is to be done when it uses more."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Job
from jobwrap.node.slot import Slot
from jobwrap.settings import Settings

if TYPE_CHECKING:
    from jobwrap.launch.usage.figures import Sample

_NEAR = 0.9  # of the allowance: from here on it is worth a warning
_PARTS = {"memory": "memory", "disk": "scratch disk"}  # figure of a Sample: its name for people


class Crossed(NamedTuple):
    """The task came near an allowance, or over it.

    figure   "memory" or "disk"
    used     bytes; granted: bytes
    ends     whether the site wants the task ended for it
    """

    figure: str
    used: int
    granted: int
    ends: bool

    @property
    def sentence(self) -> str:
        """For people, while the task runs."""
        from jobwrap.node.table import size

        used, granted, share = size(self.used), size(self.granted), 100 * self.used // self.granted
        return f"the task uses {used} of {_PARTS[self.figure]}, {share} % of the {granted} it was granted"

    @property
    def failure(self) -> JobwrapError:
        """Why the task was ended."""
        from jobwrap.node.table import size

        return JobwrapError(f"limit.{self.figure}", used=size(self.used), granted=size(self.granted))


class Limits:
    """The allowances of one task: what the batch system granted, else what the job asked for.

    memory_to_hold  bytes beyond which the site wants it ended, None where it does not
    """

    def __init__(self, job: Job, slot: Slot, settings: Settings) -> None:
        self._granted = {"memory": slot.memory or job.memory, "disk": slot.disk or job.disk}
        self._kill = {"memory": settings.over_memory == "kill", "disk": settings.over_disk == "kill"}
        self._told: set[tuple[str, bool]] = set()
        self.memory_to_hold = self._granted["memory"] if self._kill["memory"] else None

    def check(self, sample: Sample) -> list[Crossed]:
        """What this sample crosses for the first time: nine tenths of an allowance, or the whole of it."""
        crossed = []
        for figure, granted in self._granted.items():
            used: int | None = getattr(sample, figure)
            if not granted or used is None or used < _NEAR * granted:
                continue
            over = used > granted
            if (figure, over) not in self._told and (figure, True) not in self._told:
                self._told.add((figure, over))
                crossed.append(Crossed(figure, used, granted, over and self._kill[figure]))
        return crossed

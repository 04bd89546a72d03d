"""Look from time to time at what the task uses, and hold it against what was granted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jobwrap import libc
from jobwrap.job.spec import Job
from jobwrap.launch.limits import Crossed, Limits
from jobwrap.launch.usage.result import usage_fields
from jobwrap.launch.usage.sampler import Sampler
from jobwrap.node.cgroup import oom_kills
from jobwrap.node.survey import Node
from jobwrap.settings import Settings

if TYPE_CHECKING:
    from jobwrap.launch.cgroup_limit import Divided
    from jobwrap.launch.supervise import TaskEnd

_NOTED = 5.0  # seconds between two notes, at least


class Watch:
    """The looks at one task.

    say      takes a sentence for people, when the task comes near a limit
    note     takes the record's usage so far, now and then: should all be killed at once, it is the last
    divided  the job's cgroup, where it was divided for the task
    renew    called at each look, where something else has to be kept up to date while the task runs
    over     the limit for which the site wants the task ended, None as long as it is within
    """

    def __init__(
        self,
        sampler: Sampler,
        limits: Limits,
        say: Callable[[str], None],
        note: Callable[[dict[str, Any]], None],
        divided: Divided | None = None,
    ) -> None:
        self._sampler, self._limits, self._say, self._note = sampler, limits, say, note
        self._divided = divided
        self._noted_at = 0.0
        self._crossed: list[dict[str, Any]] = []
        self.over: Crossed | None = None
        self.renew: Callable[[], None] | None = None

    def left(self) -> float:
        """Seconds until due() has something to do; infinite after close()."""
        return max(0.0, self._sampler.next_at - time.monotonic())

    def due(self) -> bool:
        """Looks, if it is time to; true once, when the task is to be ended for what it uses."""
        if self.left():
            return False
        sample = self._sampler.sample()
        began = time.process_time()
        if self.renew:
            self.renew()
        was_over = self.over
        for crossed in self._limits.check(sample):
            self._crossed.append({"at": round(sample.at, 1), **crossed._asdict()})
            self._say(crossed.sentence)
            if crossed.ends and not self.over:
                self.over = crossed
        if sample.at >= self._noted_at + _NOTED:
            self._noted_at = sample.at
            self._note(usage_fields(sample.at, self.usage()))
        libc.give_back_memory()  # at the first look what the staging took, then that of the record's text
        self._sampler.cost += time.process_time() - began
        return self.over is not was_over

    def usage(self, *, at_the_end: bool = False) -> dict[str, Any]:
        """The exit record's fields on usage as far as looks tell them; {} if there was none.

        at_the_end  if the task was too short for any, look what its cgroup has counted
        """
        if at_the_end and self._sampler.last is None:
            self._sampler.sample()
        fields = self._sampler.result()
        return {**fields, "crossed": self._crossed} if self._crossed else fields

    def total(self, end: TaskEnd) -> dict[str, Any]:
        """The exit record's fields on usage, once all of the task has ended."""
        seen = self.usage(at_the_end=end.said.status != 0)
        fields = usage_fields(end.seconds, seen, end.said.usage, end.kept and end.kept.used)
        if end.stopped:
            fields["stopped_seconds"] = round(end.stopped, 4)
        if end.kept:
            fields.update(processes_left=end.kept.left, processes_stuck=end.kept.stuck)
        return fields

    def close(self) -> None:
        """The task has ended."""
        if self._divided and self._sampler.last is None:  # while its cgroup is there
            self._sampler.sample()
        self._sampler.close()
        if self._divided:
            self._divided.undo()


def start_watch(
    keeper: int,
    job: Job,
    node: Node,
    settings: Settings,
    say: Callable[[str], None],
    note: Callable[[dict[str, Any]], None],
) -> Watch:
    """The watch over all that is below the process `keeper`; where the site wants it, the kernel helps."""
    gpus = node.gpus.granted if node.gpus.vendor == "nvidia" else ()
    limits = Limits(job, node.slot, settings)
    divided = None
    if limits.memory_to_hold:
        from jobwrap.launch.cgroup_limit import divide

        divided = divide(keeper, limits.memory_to_hold)
    cgroup = divided.task if divided else ""
    sampler = Sampler(keeper, job.scratch, gpus, cgroup=cgroup, oom_kills=oom_kills() or 0)
    return Watch(sampler, limits, say, note, divided)

"""From the end of a task to its ending with evidence: facts first, then one guess at most."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from jobwrap.diagnose import Ending
from jobwrap.launch import tail
from jobwrap.node import files
from jobwrap.plan import Plan

_LINES = 20  # of the task's stderr
_FULL = 1 << 20  # bytes; what is left of a full disk is too little for anything


class Scene(NamedTuple):
    """What is known of a task that has ended.

    usage    the record's usage
    lines    the last lines of its stderr, () where they are not known
    killed   how many processes the kernel ended for want of memory on the whole node meanwhile; None: unknown
    free     bytes and inodes that are free in the scratch folder, None where it is gone
    """

    plan: Plan
    usage: dict[str, Any]
    lines: tuple[str, ...] = ()
    killed: int | None = None
    free: tuple[int, int] | None = None

    @property
    def where(self) -> str:
        """What the task's programs and libraries come from."""
        return "the image" if self.plan.image else "this node"


class Evidence:
    """Made before the task starts: what can only be told by comparison is looked at now."""

    def __init__(self) -> None:
        self._said = tail.size_of(2)
        self._killed = _out_of_memory()

    def weigh(
        self, ending: Ending, plan: Plan, usage: dict[str, Any], lines: tuple[str, ...] | None
    ) -> Ending:
        """The ending with what speaks for its cause; lines: the last of stderr where it was not our own."""
        facts = self._scene(plan, usage, lines)
        ending = ending._replace(evidence=(*ending.evidence, *_facts(facts)))
        if ending.error is None:
            return ending
        from jobwrap.evidence.judge import judge  # regular expressions and more, only where it failed

        return judge(ending, facts)

    def _scene(self, plan: Plan, usage: dict[str, Any], lines: tuple[str, ...] | None) -> Scene:
        before, after = self._killed, _out_of_memory()
        killed = None if before is None or after is None else after - before
        if lines is None:
            lines = () if self._said is None else tail.lines_of(2, self._said, _LINES)
        return Scene(plan, usage, lines, killed, _free(plan.job.scratch))


def _facts(scene: Scene) -> list[str]:
    """What is worth telling however the task ended: many a task ends well without having written all."""
    facts = []
    kills = scene.usage.get("oom_kills")
    if kills:
        facts.append(
            f"the kernel ended {kills} of the job's processes, as the memory of its cgroup was used up"
        )
    if scene.free and scene.free[0] < _FULL:
        facts.append(f"the disk of the scratch folder is full: {scene.free[0]} bytes are left")
    elif scene.free and scene.free[1] == 0:
        facts.append("the disk of the scratch folder has no inodes left for another file")
    return facts


def _free(folder: str) -> tuple[int, int] | None:
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize, disk.f_favail if disk.f_files else 1


def _out_of_memory() -> int | None:
    """Processes that the kernel has ended for want of memory since the machine started (Linux 4.13)."""
    text = files.text("/proc/vmstat")
    start = text.find("\noom_kill ")
    return files.number(text[start + 10 :].partition("\n")[0]) if start >= 0 else None

"""From the end of a task to its ending with evidence: facts first, then one guess at most."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from jobwrap.diagnose import Ending
from jobwrap.node import files
from jobwrap.plan import Plan

_LINES, _LINE, _BLOCK = 20, 300, 8192  # of the task's stderr: lines, characters of each, bytes read
_FULL = 1 << 20  # bytes; what is left of a full disk is too little for anything


class Scene(NamedTuple):
    """What is known of a task that has ended.

    usage    the record's usage
    lines    the last lines of its stderr, () where that is no file
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
        self._said = _size_of_stderr()
        self._killed = _out_of_memory()

    def weigh(self, ending: Ending, plan: Plan, usage: dict[str, Any]) -> Ending:
        """The ending with what speaks for its cause."""
        facts = self._scene(plan, usage)
        ending = ending._replace(evidence=(*ending.evidence, *_facts(facts)))
        if ending.error is None:
            return ending
        from jobwrap.evidence.judge import judge  # regular expressions and more, only where it failed

        return judge(ending, facts)

    def _scene(self, plan: Plan, usage: dict[str, Any]) -> Scene:
        before, after = self._killed, _out_of_memory()
        killed = None if before is None or after is None else after - before
        return Scene(plan, usage, _last_lines(self._said), killed, _free(plan.job.scratch))


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


def _size_of_stderr() -> int | None:
    """The bytes in the file that is our stderr, None where it is no plain file."""
    try:
        status = os.fstat(2)
    except OSError:
        return None
    return status.st_size if status.st_mode & 0o170000 == 0o100000 else None  # noqa: PLR2004  # stat.S_ISREG


def _last_lines(since: int | None) -> tuple[str, ...]:
    """The last lines that were written to the file that is our stderr since it had that size."""
    if since is None:
        return ()
    try:
        file = os.open("/proc/self/fd/2", os.O_RDONLY)
    except OSError:
        return ()
    try:
        start = max(since, os.fstat(file).st_size - _BLOCK)
        text = os.pread(file, _BLOCK, start).decode(errors="replace")
    except OSError:
        return ()
    finally:
        os.close(file)
    return tuple(line[:_LINE] for line in text.split("\n") if line.strip())[-_LINES:]

"""A memory limit that the kernel itself holds, where the job's cgroup v2 was handed to the job's user.

The job's cgroup is divided in two, one for jobwrap and one for the task: the kernel ends what is too large
in the task's at once, jobwrap lives to tell it, and the figures are the task's alone. Seen to work on
Linux 6.1 as an ordinary user; no test of the suite has such a cgroup.
Source: the kernel's Documentation/admin-guide/cgroup-v2.rst, Delegation and No Internal Process Constraint.
"""

from __future__ import annotations

import os

from jobwrap.launch.tree import find_below
from jobwrap.launch.usage.cgroup import own_v2_folder
from jobwrap.node import files

_OURS, _TASK = "jobwrap", "task"
_PROCESSES, _HANDED_DOWN = "cgroup.procs", "cgroup.subtree_control"
_ROUNDS = 20  # processes may start while others are moved


class Divided:
    """The job's cgroup in two; task: the folder of the task's."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._ours, self.task = f"{folder}/{_OURS}", f"{folder}/{_TASK}"

    def move(self, keeper: int) -> None:
        """The keeper, all that is below it and so all that it starts to the task's cgroup, the rest to
        jobwrap's; OSError where it may not.
        """
        for _ in range(_ROUNDS):
            members = files.text(f"{self._folder}/{_PROCESSES}").split()
            if not members:
                return
            theirs = {str(pid) for pid in (keeper, *find_below(keeper).pids)}
            for pid in members:
                _move(pid, self.task if pid in theirs else self._ours)

    def limit(self, memory: int) -> None:
        """Hands the controllers down and sets the limit; OSError where it may not, or not all were moved."""
        controllers = files.text(f"{self._folder}/cgroup.controllers").split()
        _write(f"{self._folder}/{_HANDED_DOWN}", " ".join(f"+{name}" for name in controllers))
        _write(f"{self.task}/memory.max", str(memory))

    def undo(self) -> None:
        """Makes it one again, as far as that can be."""
        try:
            handed = files.text(f"{self._folder}/{_HANDED_DOWN}").split()
            if handed:
                _write(f"{self._folder}/{_HANDED_DOWN}", " ".join(f"-{name}" for name in handed))
            for part in (self._ours, self.task):
                for pid in files.text(f"{part}/{_PROCESSES}").split():
                    _move(pid, self._folder)
                os.rmdir(part)
        except OSError:
            pass  # the batch system removes it with the job's


def divide(keeper: int, memory: int) -> Divided | None:
    """Divides the cgroup and limits what the keeper starts to `memory` bytes; None where it may not."""
    folder = own_v2_folder(os.getpid())
    if not folder or not os.access(folder, os.W_OK):
        return None
    divided = Divided(folder)
    try:
        os.mkdir(f"{folder}/{_OURS}")
        os.mkdir(f"{folder}/{_TASK}")
        divided.move(keeper)
        divided.limit(memory)
    except OSError:
        divided.undo()
        return None
    return divided


def _move(pid: str, folder: str) -> None:
    try:
        _write(f"{folder}/{_PROCESSES}", pid)
    except ProcessLookupError:
        pass  # it has ended


def _write(path: str, text: str) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(file, text.encode())
    finally:
        os.close(file)

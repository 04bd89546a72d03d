"""What a cgroup tells, where it is the job's own: nothing is in it but jobwrap and below.

HTCondor makes one for each job. Source: the kernel's Documentation/admin-guide/cgroup-v2.rst and
cgroup-v1/{memory,cpuacct,pids}.rst.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from jobwrap.launch.tree import find_below
from jobwrap.launch.usage.figures import Figures
from jobwrap.node import files
from jobwrap.node.cgroup import own_cgroups

_MOUNT = "/sys/fs/cgroup"
_OURS = 2  # processes of one thread that are not counted: jobwrap and its keeper
_LINKS = 2  # of a folder without folders in it
_FILE_CACHE = ("active_file", "inactive_file", "slab_reclaimable")  # what the kernel can take back


class Peaks(NamedTuple):
    """What only a cgroup knows, since it was made; None for what it does not tell.

    memory     bytes, the most at any time, with the file cache
    threads    the most at any time
    oom_kills  processes that the kernel ended because the cgroup's memory was used up
    """

    memory: int | None = None
    threads: int | None = None
    oom_kills: int | None = None


class Version2:
    """A folder of cgroup v2; ours: processes in it that are jobwrap's own, of one thread each."""

    name = "cgroup v2"

    def __init__(self, folder: str, ours: int = _OURS) -> None:
        self._folder, self._ours = folder, ours

    def figures(self) -> Figures:
        """What its controllers tell; I/O only where that controller is on."""
        memory = _table(f"{self._folder}/memory.stat")
        micros = _table(f"{self._folder}/cpu.stat").get("usage_usec")
        read, written = self._moved()
        return Figures(
            cpu=None if micros is None else micros / 1e6,
            memory=_without(self._number("memory.current"), sum(memory.get(name, 0) for name in _FILE_CACHE)),
            read=read,
            written=written,
            processes=_without(len(_members(self._folder)), self._ours),
            threads=_without(self._number("pids.current"), self._ours),
        )

    def peaks(self) -> Peaks:
        """memory.peak is there from Linux 5.19 on, pids.peak from 6.1 on."""
        return Peaks(
            self._number("memory.peak"),
            _without(self._number("pids.peak"), self._ours),
            _table(f"{self._folder}/memory.events").get("oom_kill"),
        )

    def _moved(self) -> tuple[int | None, int | None]:
        if not os.path.exists(f"{self._folder}/io.stat"):
            return None, None
        words = [word.partition("=") for word in files.text(f"{self._folder}/io.stat").split()]
        read = sum(int(value) for name, _, value in words if name == "rbytes" and value.isdecimal())
        return read, sum(int(value) for name, _, value in words if name == "wbytes" and value.isdecimal())

    def _number(self, name: str) -> int | None:
        return files.number(files.line(f"{self._folder}/{name}"))


class Version1:
    """Folders of cgroup v1, which has one for each controller: `cpu` "" where that one is not the job's own.

    I/O is left to others: what goes through the file cache, v1 counts for nobody.
    """

    name = "cgroup v1"

    def __init__(self, memory: str, cpu: str) -> None:
        self._memory, self._cpu = memory, cpu

    def figures(self) -> Figures:
        """Memory, CPU, processes and threads."""
        memory = _table(f"{self._memory}/memory.stat")
        nanos = files.number(files.line(f"{self._cpu}/cpuacct.usage")) if self._cpu else None
        return Figures(
            cpu=None if nanos is None else nanos / 1e9,
            memory=_without(
                files.number(files.line(f"{self._memory}/memory.usage_in_bytes")),
                sum(memory.get(f"total_{name}", 0) for name in _FILE_CACHE),
            ),
            processes=_without(len(_members(self._memory)), _OURS),
            threads=_without(len(_members(self._memory, "tasks")), _OURS),
        )

    def peaks(self) -> Peaks:
        """The kills are counted from Linux 4.13 on."""
        return Peaks(
            memory=files.number(files.line(f"{self._memory}/memory.max_usage_in_bytes")),
            oom_kills=_table(f"{self._memory}/memory.oom_control").get("oom_kill"),
        )


def find_cgroup(me: int, root: str = "/") -> Version2 | Version1 | None:
    """The cgroup of this process, whose number is `me`, if it is the job's own."""
    folder = own_v2_folder(me, root)
    if folder:
        return Version2(folder)
    paths, mount = own_cgroups(root), f"{root}{_MOUNT}"
    memory = _folder(f"{mount}/memory", paths.get("memory", ""), "memory.usage_in_bytes")
    if memory and _is_own(memory, me, root):
        cpu = _folder(f"{mount}/cpuacct", paths.get("cpuacct", ""), "cpuacct.usage")
        return Version1(memory, cpu if cpu and _is_own(cpu, me, root) else "")
    return None


def own_v2_folder(me: int, root: str = "/") -> str:
    """The folder of this process's cgroup v2, if that has memory to tell of and is the job's own; else ""."""
    folder = _folder(f"{root}{_MOUNT}", own_cgroups(root).get("", ""), "memory.current")
    return folder if folder and _is_own(folder, me, root) else ""


def _folder(mount: str, path: str, proof: str) -> str:
    """The folder of a cgroup, or in a container, which sees only its own, the mount point; "" if neither."""
    folders = [mount] if ".." in path.split("/") else [f"{mount}{path.rstrip('/')}", mount]
    return next((folder for folder in folders if os.path.exists(f"{folder}/{proof}")), "")


def _is_own(folder: str, me: int, root: str) -> bool:
    members = set(_members(folder))
    strangers = members - {me, *find_below(me, root).pids}
    if strangers:  # unless they have ended meanwhile; one that cannot be seen from here has the number 0
        strangers &= set(_members(folder))
    return bool(members) and not strangers


def _members(folder: str, name: str = "cgroup.procs") -> list[int]:
    """The processes in a cgroup and in those below it."""
    members = [int(word) for word in files.text(f"{folder}/{name}").split() if word.isdecimal()]
    try:
        has_more = os.stat(folder).st_nlink > _LINKS
    except OSError:
        return members
    for each in files.names(folder) if has_more else ():
        if os.path.isdir(f"{folder}/{each}"):
            members += _members(f"{folder}/{each}", name)
    return members


def _table(path: str) -> dict[str, int]:
    pairs = files.table(path, " ")
    return {name: int(value) for name, value in pairs.items() if value.isdecimal() and value.isascii()}


def _without(figure: int | None, less: int) -> int | None:
    return None if figure is None else max(0, figure - less)

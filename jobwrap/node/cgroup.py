"""Which limits the kernel enforces on this process: cgroup v1, v2, both beside each other, or none.

Source: the kernel's Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst.
"""

from __future__ import annotations

from typing import NamedTuple

from jobwrap.node import files

_MOUNT = "/sys/fs/cgroup"


class Limits(NamedTuple):
    """version: "cgroup v2", "cgroup v1", "cgroup hybrid" or ""; cpus: whole cores; memory: bytes."""

    version: str
    cpus: int | None
    memory: int | None


def find_limits(root: str = "/") -> Limits:
    """The tightest limit on the way from this process's cgroup up to the one that is mounted."""
    paths = own_cgroups(root)
    if files.text(f"{root}{_MOUNT}/cgroup.controllers"):
        groups = _upward(f"{root}{_MOUNT}", paths.get("", "/"))
        cpus = [_quota(*_words(f"{group}/cpu.max")) for group in groups]
        memory = [files.number(files.line(f"{group}/memory.max")) for group in groups]
        return Limits("cgroup v2", _least(cpus), _real_memory(_least(memory), root))
    version = "cgroup hybrid" if "" in paths and len(paths) > 1 else "cgroup v1" if paths else ""
    cpus = [
        _quota(files.line(f"{group}/cpu.cfs_quota_us"), files.line(f"{group}/cpu.cfs_period_us"))
        for group in _upward(f"{root}{_MOUNT}/cpu", paths.get("cpu", "/"))
    ]
    memory = [
        files.number(files.line(f"{group}/memory.limit_in_bytes"))
        for group in _upward(f"{root}{_MOUNT}/memory", paths.get("memory", "/"))
    ]
    return Limits(version, _least(cpus), _real_memory(_least(memory), root))


def oom_kills(root: str = "/") -> int | None:
    """Processes that the kernel ended as the memory of this process's cgroup was used up (Linux 4.13)."""
    paths, mount = own_cgroups(root), f"{root}{_MOUNT}"
    groups = [f"{group}/memory.events" for group in _upward(mount, paths.get("", "/"))]
    if "memory" in paths:
        groups = [f"{group}/memory.oom_control" for group in _upward(f"{mount}/memory", paths["memory"])]
    told = (files.table(path, " ").get("oom_kill") for path in reversed(groups))
    return next((files.number(number) for number in told if number), None)


def own_cgroups(root: str = "/") -> dict[str, str]:
    """Controller to the path of this process's cgroup, as /proc/self/cgroup tells; "" is that of v2."""
    paths: dict[str, str] = {}
    for line in files.text(f"{root}/proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in controllers.split(","):
            paths[controller] = path
    return paths


def _upward(mount: str, path: str) -> list[str]:
    """The folders from the mount point down to the cgroup, as far as they can be seen from here.

    In a container the path can be one of the host, or begin with "/..", and only the mount point is there.
    """
    folders, parts = [mount], path.strip("/").split("/")
    if ".." in parts:
        return folders
    for part in filter(None, parts):
        folders.append(f"{folders[-1]}/{part}")
    return folders


def _words(path: str) -> tuple[str, str]:
    quota, _, period = files.line(path).partition(" ")
    return quota, period


def _quota(quota: str, period: str) -> int | None:
    """Whole cores in a CPU quota, at least one; None for "max", -1 and what is no quota."""
    had, of = files.number(quota), files.number(period)
    return max(1, had // of) if had is not None and of else None


def _least(limits: list[int | None]) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _real_memory(limit: int | None, root: str) -> int | None:
    """A limit above what the machine has is v1's way to say that there is none."""
    total = memory_total(root)
    return None if limit is None or (total and limit >= total) else limit


def memory_total(root: str = "/") -> int | None:
    """The machine's memory in bytes."""
    words = files.table(f"{root}/proc/meminfo", ":").get("MemTotal", "").split()
    kilobytes = files.number(words[0]) if words else None
    return kilobytes and kilobytes * 1024

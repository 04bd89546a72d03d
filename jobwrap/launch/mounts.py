"""What of the node the task sees: one table of what every task gets, and the job's own binds.

Each mount is there or dropped with a reason before the launch: a runtime ends with an error of its own
when a source is missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from jobwrap import control
from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Job
from jobwrap.node.probe import Hung, ask
from jobwrap.settings import Settings

# What the field's pools bind for every job (GlideinWMS, OSPool); read-only, dropped where it is not there.
_COMMON = ("/etc/hosts", "/etc/localtime")
_FORBIDDEN_SOURCES = ("/proc", "/sys", "/dev", "/etc/jobwrap")
_FORBIDDEN_TARGETS = ("/", "/proc", "/sys", "/dev", "/.singularity.d")


class Mount(NamedTuple):
    """One mount of the container; read-only unless writable."""

    source: str
    target: str
    writable: bool = False


class Dropped(NamedTuple):
    """A mount that will not be there, and why."""

    source: str
    why: str


def plan_mounts(
    job: Job, settings: Settings, cvmfs: str, inputs: Iterable[Mount]
) -> tuple[tuple[Mount, ...], tuple[Dropped, ...]]:
    """All mounts in the order in which they are made, and those dropped.

    JobwrapError policy.forbidden for a bind that no site would allow, job.usage for a source that the
    job asks for and that is not there.
    """
    own = os.path.join(job.scratch, control.NAME)
    mounts = [
        Mount(job.scratch, job.target, True),
        Mount(f"{own}/tmp", "/tmp", True),
        Mount(f"{own}/var_tmp", "/var/tmp", True),
        # A folder, since a file that covers one file is detached by a rename on the host.
        Mount(f"{own}/empty", os.path.join(job.target, control.NAME)),
    ]
    common = [*(Mount(path, path) for path in _COMMON), Mount(cvmfs, "/cvmfs")]
    sites = [Mount(*bind) for bind in settings.binds]
    asked = [Mount(*bind) for bind in job.binds]
    _must_be_allowed(job, asked)
    present = _look([mount.source for mount in common])
    if sites or asked:  # these may lie on any file system
        present.update(_ask([mount.source for mount in sites + asked], settings.deadline))
    dropped = []
    for mount in common + sites:
        if present[mount.source]:
            mounts.append(mount)
        else:
            dropped.append(Dropped(mount.source, "it is not on this node"))
    for mount in asked:
        if not present[mount.source]:
            raise JobwrapError(
                "job.usage", problem=f"--bind {mount.source}: there is no such path on this node"
            )
        mounts.append(mount)
    return (*mounts, *inputs), tuple(dropped)


def _must_be_allowed(job: Job, asked: list[Mount]) -> None:
    own = os.path.join(job.scratch, control.NAME)
    for mount in asked:
        source, target = os.path.realpath(mount.source), mount.target
        if _at_or_below(source, _FORBIDDEN_SOURCES) or _at_or_below(own, (source,)):
            raise JobwrapError(
                "policy.forbidden", what=f"--bind {mount.source}", rule="no task may see that path"
            )
        if target == "/" or _at_or_below(
            target, (*_FORBIDDEN_TARGETS[1:], os.path.join(job.target, control.NAME))
        ):
            raise JobwrapError(
                "policy.forbidden",
                what=f"--bind {mount.source} at {target}",
                rule="no bind may cover that path",
            )


def _at_or_below(path: str, tops: Iterable[str]) -> bool:
    return any(path == top or path.startswith(top.rstrip("/") + "/") for top in tops)


def _ask(paths: list[str], deadline: float) -> dict[str, bool]:
    """Which of the paths are there, asked in a child: any of them may be on a mount that hangs."""
    try:
        answer: dict[str, bool] = ask(_look, paths, deadline=deadline, what="the paths to bind")
    except Hung as hung:
        what = "a path to bind (" + ", ".join(paths) + ")"
        raise JobwrapError("site.cvmfs_hung", path=what, seconds=hung.seconds) from hung
    return answer


def _look(paths: list[str]) -> dict[str, bool]:
    return {path: os.path.exists(path) for path in paths}

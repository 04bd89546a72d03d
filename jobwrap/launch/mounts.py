"""What of the node the task sees: one table of what every task gets, and the job's own binds.

Each mount is there or dropped with a reason before the launch: a runtime ends with an error of its own
when a source is missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from jobwrap import control
from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Job
from jobwrap.node.probe import Hung, ask
from jobwrap.node.survey import Node
from jobwrap.settings import Settings

# What the field's pools bind for every job (GlideinWMS, OSPool); read-only, dropped where it is not there.
_COMMON = ("/etc/hosts", "/etc/localtime")
_WITH_GPUS = ("/etc/OpenCL/vendors",)
_FORBIDDEN_SOURCES = ("/proc", "/sys", "/dev", "/etc/jobwrap")
_FORBIDDEN_TARGETS = ("/proc", "/sys", "/dev", "/.singularity.d")
_TAKEN = ("/", "/tmp", "/var/tmp")


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
    job: Job, settings: Settings, node: Node, inputs: Iterable[Mount], environ: Mapping[str, str]
) -> tuple[tuple[Mount, ...], tuple[Dropped, ...]]:
    """All mounts in the order in which they are made, and those dropped.

    An input without a target is one that will be copied: it is judged alike, and not mounted.
    JobwrapError policy.forbidden for a bind that no site would allow, job.usage for a source that the
    job asks for and that is not there, and for a target of scratch where something else has to be.
    """
    if job.target in _TAKEN or _at_or_below(job.target, (*_FORBIDDEN_TARGETS, "/cvmfs")):
        problem = f"--target {job.target}: scratch cannot be there, as something else of the container is"
        raise JobwrapError("job.usage", problem=problem)
    own = os.path.join(job.scratch, control.NAME)
    sites = [Mount(*bind) for bind in settings.binds]
    asked, inputs = [Mount(*bind) for bind in job.binds], list(inputs)
    common = _common(node)
    there = _look([mount.source for mount in common])
    secret: list[str] = []
    if sites or asked or inputs:  # these may lie on any file system
        paths = [own, *(settings.bind_sources or ()), *(mount.source for mount in sites + asked + inputs)]
        where, secret = _ask(paths, dict(environ), settings.deadline)
        there.update(where)
        secret += _sites_secrets(settings)
    mounts = [*_own(job, environ), *(mount for mount in common + sites if there[mount.source])]
    dropped = [mount.source for mount in common + sites if not there[mount.source]]
    for mount in asked + inputs:
        if not there[mount.source]:
            problem = f"--bind {mount.source}: there is no such path on this node"
            raise JobwrapError("job.usage", problem=problem)
        if mount in asked:
            _must_not_cover(mount, job)
        found = mount._replace(source=there[mount.source])  # what is judged is what is bound
        _must_be_allowed(found, there[own] or own, secret)
        if settings.bind_sources is not None:
            free = () if mount in asked else (node.cvmfs, os.path.realpath(job.scratch))
            _must_be_the_sites(found, (*free, *(there[top] or top for top in settings.bind_sources)))
        if mount.target:
            mounts.append(found)
    return tuple(mounts), tuple(Dropped(source, "it is not on this node") for source in dropped)


def cover_nodes(job: Job, nodes: Iterable[str]) -> tuple[Mount, ...]:
    """A file that nobody can open over each of these device nodes, which --nv and --rocm show all alike."""
    nothing = os.path.join(job.scratch, control.NAME, control.NOTHING)
    return tuple(Mount(nothing, node) for node in nodes)


def _own(job: Job, environ: Mapping[str, str]) -> Iterator[Mount]:
    """Scratch and what lies on its disk, and what covers the folders in it that are no task's to see."""
    own = os.path.join(job.scratch, control.NAME)
    yield Mount(job.scratch, job.target, True)
    yield Mount(f"{own}/tmp", "/tmp", True)
    yield Mount(f"{own}/var_tmp", "/var/tmp", True)
    # A folder, since a file that covers one file is detached by a rename on the host.
    cover = control.GIVEN if job.credentials else control.EMPTY
    yield Mount(f"{own}/{cover}", os.path.join(job.target, control.NAME))
    for folder in _folders_to_hide(job, environ):
        yield Mount(f"{own}/{control.EMPTY}", folder)


def _common(node: Node) -> list[Mount]:
    paths = (*_COMMON, *(_WITH_GPUS if node.gpus.granted else ()))
    return [*(Mount(path, path) for path in paths), Mount(node.cvmfs, "/cvmfs")]


def _folders_to_hide(job: Job, environ: Mapping[str, str]) -> Iterator[str]:
    """HTCondor keeps the job's credentials in its scratch folder; the task sees those that it asked for."""
    if not environ.get("_CONDOR_CREDS"):
        return
    folder, scratch = os.path.realpath(environ["_CONDOR_CREDS"]), os.path.realpath(job.scratch)
    if folder.startswith(scratch + "/") and os.path.isdir(folder):
        yield job.target + folder[len(scratch) :]


def _sites_secrets(settings: Settings) -> list[str]:
    """The files of tokens and certificates that the site itself sends."""
    files = [file for _, file in settings.transfer.get("tokens", ())]
    return [*files, *filter(None, [settings.transfer.get("client_certificate", "")])]


def _must_be_allowed(mount: Mount, own: str, secret: Iterable[str]) -> None:
    """Neither the node's own file systems, nor jobwrap's folder or credentials, nor what holds them."""
    why = "no task may see it" if _at_or_below(mount.source, _FORBIDDEN_SOURCES) else ""
    for hidden in (own, *secret):
        if _at_or_below(mount.source, (hidden,)) or _at_or_below(hidden, (mount.source,)):
            why = f"no task may see {hidden}"
    if why:
        raise JobwrapError("policy.forbidden", what=f"a mount of {mount.source}", rule=why)


def _must_be_the_sites(mount: Mount, tops: Iterable[str]) -> None:
    if not _at_or_below(mount.source, tops):
        rule = "policy.bind_sources"
        raise JobwrapError("policy.forbidden", what=f"a mount of {mount.source}", rule=rule)


def _must_not_cover(mount: Mount, job: Job) -> None:
    covered = (*_FORBIDDEN_TARGETS, os.path.join(job.target, control.NAME))
    if mount.target == "/" or _at_or_below(mount.target, covered):
        what = f"--bind {mount.source} at {mount.target}"
        raise JobwrapError("policy.forbidden", what=what, rule="no bind may cover that path")


def _at_or_below(path: str, tops: Iterable[str]) -> bool:
    return any(path == top or path.startswith(top.rstrip("/") + "/") for top in tops)


def _ask(paths: list[str], environ: dict[str, str], deadline: float) -> tuple[dict[str, str], list[str]]:
    """Where each path leads, and where credentials are: asked in a child, as any mount may hang."""
    try:
        answer: tuple[dict[str, str], list[str]] = ask(
            _look_at_all, paths, environ, deadline=deadline, what="the paths to bind"
        )
    except Hung as hung:
        what = "a path to bind (" + ", ".join(paths) + ")"
        raise JobwrapError("site.cvmfs_hung", path=what, seconds=hung.seconds) from hung
    return answer


def _look_at_all(paths: list[str], environ: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    from jobwrap.transfer.credentials import places

    return _look(paths), [*filter(None, _look(places(environ)).values())]


def _look(paths: list[str]) -> dict[str, str]:
    """Each path with all links followed, "" where there is nothing."""
    return {path: os.path.realpath(path) if os.path.exists(path) else "" for path in paths}

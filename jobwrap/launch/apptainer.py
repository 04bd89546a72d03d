"""Apptainer, SingularityCE and Singularity 3, which share this command line; node/dialect.py has the rest."""

from __future__ import annotations

from collections.abc import Sequence

from jobwrap.failures import JobwrapError
from jobwrap.launch.instance import Instance
from jobwrap.launch.mounts import Dropped, Mount
from jobwrap.node.runtime import Runtime

# --no-init makes the gate the container's first process, which no task can kill. (Without the gate it would
# be the task, whose own death by a signal then looks like exit 0.)
_ISOLATION = ("--contain", "--pid", "--no-init", "--ipc", "--cleanenv", "--no-home")
_NETWORK = {"host": (), "none": ("--net", "--network", "none")}
_SEPARATORS = ':,^"\n'  # of --bind; the ^ by mistake, in its own pattern
# What lets the task see the node's GPUs, by the maker of those that were granted.
_GPUS = {"": (), "nvidia": ("--nv",), "amd": ("--rocm",)}


def command(instance: Instance) -> tuple[tuple[str, ...], tuple[Dropped, ...]]:
    """The words that start the container; those of the task follow them. No mount is dropped.

    JobwrapError job.usage for a path that an old runtime has no way to bind.
    """
    words = (
        instance.runtime.path,
        "--quiet",
        "exec",
        *instance.runtime.flags,
        *_ISOLATION,
        *_NETWORK[instance.network],
        *(_GPUS[instance.gpus] if instance.libraries is None else _libraries(instance.libraries)),
        "--pwd",
        instance.target,
        *(_mounts(instance.mounts) if instance.runtime.csv else _binds(instance.mounts, instance.runtime)),
        instance.image,
    )
    return words, ()


def _libraries(paths: tuple[str, ...]) -> tuple[str, ...]:
    return ("--containlibs", ",".join(paths)) if paths else ()


def _mounts(mounts: Sequence[Mount]) -> tuple[str, ...]:
    """--mount takes CSV and so any path."""
    words: list[str] = []
    for mount in mounts:
        fields = ["type=bind", f"src={mount.source}", f"dst={mount.target}"]
        if not mount.writable:
            fields.append("ro")
        words += ["--mount", ",".join(map(_quoted, fields))]
    return tuple(words)


def _binds(mounts: Sequence[Mount], runtime: Runtime) -> tuple[str, ...]:
    """--bind has no way to write what separates its parts."""
    words: list[str] = []
    for mount in mounts:
        for path in mount[:2]:
            if any(mark in path for mark in _SEPARATORS) or path != path.strip():
                problem = (
                    f"{path} has a colon, comma, quote, ^ or outer space in it, and {runtime.version} "
                    "cannot bind such a path; rename it, or run where Apptainer is"
                )
                raise JobwrapError("job.usage", problem=problem)
        words += ["--bind", f"{mount.source}:{mount.target}:{'rw' if mount.writable else 'ro'}"]
    return tuple(words)


def _quoted(field: str) -> str:
    if not any(mark in field for mark in ',"\n'):
        return field
    return '"' + field.replace('"', '""') + '"'

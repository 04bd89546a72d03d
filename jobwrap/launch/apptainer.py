"""Apptainer, SingularityCE and Singularity 3, which share this command line.

Only Apptainer 1.4 was seen running; that the other two understand it is from their documentation, untested.
"""

from __future__ import annotations

from collections.abc import Sequence

from jobwrap.launch.instance import Instance
from jobwrap.launch.mounts import Dropped, Mount

# --no-init makes the gate the container's first process, which no task can kill. (Without the gate it would
# be the task, whose own death by a signal then looks like exit 0.)
_ISOLATION = ("--contain", "--pid", "--no-init", "--ipc", "--cleanenv", "--no-home")
_NETWORK = {"host": (), "none": ("--net", "--network", "none")}
# What lets the task see the node's GPUs, by the maker of those that were granted.
_GPUS = {"": (), "nvidia": ("--nv",), "amd": ("--rocm",)}


def command(instance: Instance) -> tuple[tuple[str, ...], tuple[Dropped, ...]]:
    """The words that start the container; those of the task follow them. No mount is dropped."""
    words = (
        instance.runtime,
        "--quiet",
        "exec",
        *_ISOLATION,
        *_NETWORK[instance.network],
        *(_GPUS[instance.gpus] if instance.libraries is None else _libraries(instance.libraries)),
        "--pwd",
        instance.target,
        *_mounts(instance.mounts),
        instance.image,
    )
    return words, ()


def _libraries(paths: tuple[str, ...]) -> tuple[str, ...]:
    return ("--containlibs", ",".join(paths)) if paths else ()


def _mounts(mounts: Sequence[Mount]) -> tuple[str, ...]:
    """--mount takes CSV and so any path; --bind has no way to write a colon."""
    words: list[str] = []
    for mount in mounts:
        fields = ["type=bind", f"src={mount.source}", f"dst={mount.target}"]
        if not mount.writable:
            fields.append("ro")
        words += ["--mount", ",".join(map(_quoted, fields))]
    return tuple(words)


def _quoted(field: str) -> str:
    if not any(mark in field for mark in ',"\n'):
        return field
    return '"' + field.replace('"', '""') + '"'

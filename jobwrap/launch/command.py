"""Which module speaks to which runtime."""

from __future__ import annotations

from jobwrap.launch import apptainer, bubblewrap
from jobwrap.launch.instance import Instance
from jobwrap.launch.mounts import Dropped

_RUNTIMES = {
    "apptainer": apptainer.command,
    "singularity": apptainer.command,
    "bwrap": bubblewrap.command,
}


def container_command(instance: Instance) -> tuple[tuple[str, ...], tuple[Dropped, ...]]:
    """The words that start the container, and the mounts that it cannot make.

    The task's words follow them. JobwrapError for what this runtime cannot do.
    """
    return _RUNTIMES[instance.runtime.name](instance)

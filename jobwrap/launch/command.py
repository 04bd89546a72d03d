"""Which module speaks to which runtime."""

from __future__ import annotations

from jobwrap.launch import apptainer, bubblewrap
from jobwrap.launch.instance import Instance

_RUNTIMES = {
    "apptainer": apptainer.command,
    "singularity": apptainer.command,
    "bwrap": bubblewrap.command,
}


def container_command(name: str, instance: Instance) -> tuple[str, ...]:
    """The words that start the container with the runtime of this name; the task's follow them."""
    return _RUNTIMES[name](instance)

"""The runtime's command line, one tuple, top to bottom in the order in which it will be read."""

from __future__ import annotations

from collections.abc import Sequence

from jobwrap.image.choose import Image
from jobwrap.job.spec import Job
from jobwrap.launch.mounts import Mount, as_words
from jobwrap.node.gpu import Gpus
from jobwrap.node.runtime import Runtime

# What lets the task see the node's GPUs, by the maker of those that were granted.
_GPU_FLAGS = {"": (), "nvidia": ("--nv",), "amd": ("--rocm",)}


def container_command(
    runtime: Runtime, image: Image, job: Job, gpus: Gpus, mounts: Sequence[Mount], network: str = "host"
) -> tuple[str, ...]:
    """The words that start the container; the gate's words and the task's command follow them.

    Never --no-init or --compat: with them a task killed by a signal ends as exit 0.
    """
    return (
        runtime.path,
        "--quiet",
        "exec",
        "--contain",
        "--pid",
        "--ipc",
        "--cleanenv",
        "--no-home",
        *(("--net", "--network", "none") if network == "none" else ()),
        *(_GPU_FLAGS[gpus.vendor] if gpus.granted else ()),
        "--pwd",
        job.target,
        *as_words(mounts),
        image.path,
    )

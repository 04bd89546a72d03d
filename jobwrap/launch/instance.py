"""What every runtime is told of the one container instance that it starts."""

from __future__ import annotations

from typing import NamedTuple

from jobwrap.launch.mounts import Mount
from jobwrap.node.runtime import Runtime


class Instance(NamedTuple):
    """A container to be.

    runtime   which one, and what it understands
    image     path of the image; kind: "sandbox" or "sif"
    target    the task's working directory, where scratch is
    gpus      the maker of the GPUs that were granted, "" for none
    libraries of their driver, None for all that the runtime finds; mounts then has the devices too
    network   "host" or "none"
    deadline  seconds that a look at the image may take
    """

    runtime: Runtime
    image: str
    kind: str
    target: str
    mounts: tuple[Mount, ...]
    gpus: str
    network: str
    deadline: float
    libraries: tuple[str, ...] | None = None

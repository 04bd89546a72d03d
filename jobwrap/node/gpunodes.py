"""Which device nodes are the granted GPUs', and which are other GPUs', that the task need not see.

Not tested on hardware. Sources: NVIDIA's driver README, "Device nodes"; the kernel's amdkfd and drm for AMD.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.node import files, nvidia, probe
from jobwrap.node.gpu import Gpus

Owners = dict[str, list[str]]  # a GPU's id in lower case, and its device nodes

_NVIDIA = "/proc/driver/nvidia/gpus"
_AMD = "/sys/class/kfd/kfd/topology/nodes"


class Nodes(NamedTuple):
    """Paths of device nodes.

    granted  those that the job may use, the driver's own first
    others   those of GPUs that it may not use, where they are there
    why      a sentence where it is not known which is whose; both are empty then
    """

    granted: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    why: str = ""


def find_nodes(gpus: Gpus, deadline: float, root: str = "") -> Nodes:
    """Tells the granted GPUs' nodes from the others'; JobwrapError site.gpu_broken if they are of no use."""
    if gpus.vendor == "amd":
        driver, owners = "/dev/kfd", _amds(root)
    else:
        driver, owners = "/dev/nvidiactl", _nvidias(root)
    mine = (
        set(owners) if len(set(gpus.granted)) >= len(owners) else _owners_of(gpus.granted, owners, deadline)
    )
    if not mine:
        why = f"{gpus.source} does not tell which device nodes are the job's, so it sees those of all GPUs"
        return Nodes(why=why)
    granted = (driver, *(node for id in sorted(mine) for node in owners[id]))
    for node in granted:
        _check(node, root)
    others = (node for id in sorted(owners.keys() - mine) for node in owners[id])
    return Nodes(granted, tuple(node for node in others if os.path.exists(root + node)))


def _owners_of(granted: tuple[str, ...], owners: Owners, deadline: float) -> set[str]:
    """The GPUs that are meant; none if only one of them is in doubt.

    A number is: CUDA and ROCm count the devices in an order of their own.
    """
    parents: dict[str, str] = {}
    if any(name.startswith("MIG-") and not name.startswith("MIG-GPU-") for name in granted):
        parents = _parents(deadline)
    mine = set()
    for name in granted:
        uuid = name.removeprefix("MIG-") if name.startswith("MIG-GPU-") else parents.get(name, name)
        uuid = uuid.partition("/")[0].partition(":")[0].lower()
        meant = [id for id in owners if uuid.startswith("gpu-") and id.startswith(uuid)]
        if len(meant) != 1:
            return set()
        mine.update(meant)
    return mine


def _parents(deadline: float) -> dict[str, str]:
    """The GPU of each MIG slice, as NVIDIA's library tells it."""
    try:
        parents: dict[str, str] = probe.ask(nvidia.ask_parents, deadline=deadline, what="the NVIDIA driver")
    except (probe.Hung, RuntimeError) as error:
        raise JobwrapError("site.gpu_broken", problem=str(error)) from error
    return parents


def _nvidias(root: str) -> Owners:
    owners: Owners = {}
    for bus in files.names(root + _NVIDIA):
        facts = files.table(f"{root}{_NVIDIA}/{bus}/information", ":")
        owners[facts.get("GPU UUID", bus).lower()] = [f"/dev/nvidia{facts.get('Device Minor', '')}"]
    return owners


def _amds(root: str) -> Owners:
    owners: Owners = {}
    for node in files.names(root + _AMD):
        facts = files.table(f"{root}{_AMD}/{node}/properties", " ")
        render = facts.get("drm_render_minor", "0")
        if render != "0":  # that of a CPU
            number = files.number(facts.get("unique_id", "")) or 0
            cards = files.names(f"{root}/sys/class/drm/renderD{render}/device/drm")
            names = dict.fromkeys((f"renderD{render}", *cards))
            owners[f"gpu-{number:016x}" if number else node] = [f"/dev/dri/{name}" for name in names]
    return owners


def _check(node: str, root: str) -> None:
    """A node that cannot be opened would fail the task in its first second; a card's own may be closed."""
    if "/card" in node:
        return
    if not os.path.exists(root + node):
        raise JobwrapError("site.gpu_broken", problem=f"there is no {node}")
    if not os.access(root + node, os.R_OK | os.W_OK):
        raise JobwrapError("site.gpu_broken", problem=f"{node} may not be opened by this user")

"""AMD's GPUs, as the kernel's compute driver lists them in /sys. Not tested on hardware.

Source: the kernel's drivers/gpu/drm/amd/amdkfd/kfd_topology.c; ROCm's names are those of rocminfo.
"""

from __future__ import annotations

from jobwrap.node import files
from jobwrap.node.device import Device

_TOPOLOGY = "/sys/class/kfd/kfd/topology/nodes"
_LOCAL_MEMORY = ("1", "2")  # heap types: frame buffer that the host sees, and that it does not


def find_devices(root: str = "/") -> tuple[Device, ...]:
    """The GPUs that this process may use, in the order in which ROCm counts them."""
    folder = f"{root}{_TOPOLOGY}"
    found: list[Device] = []
    for node in sorted(files.names(folder), key=lambda name: (len(name), name)):
        # 0 is a CPU; one that the cgroup keeps from this process cannot be read.
        if files.line(f"{folder}/{node}/gpu_id") in ("", "0"):
            continue
        facts = files.table(f"{folder}/{node}/properties", " ")
        number = files.number(facts.get("unique_id", ""))
        found.append(
            Device(
                vendor="amd",
                id=f"GPU-{number:016x}" if number else str(len(found)),
                number=len(found),
                name=files.line(f"{folder}/{node}/name"),
                memory=_memory(f"{folder}/{node}/mem_banks"),
                capability=_architecture(files.number(facts.get("gfx_target_version", "")) or 0),
            )
        )
    return tuple(found)


def driver_version(root: str = "/") -> str:
    """Of AMD's own package of the driver; "" for the kernel's."""
    return files.line(f"{root}/sys/module/amdgpu/version")


def _memory(folder: str) -> int | None:
    banks = (files.table(f"{folder}/{bank}/properties", " ") for bank in files.names(folder))
    local = [bank for bank in banks if bank.get("heap_type") in _LOCAL_MEMORY]
    return sum(files.number(bank.get("size_in_bytes", "")) or 0 for bank in local) or None


def _architecture(version: int) -> str:
    """90010 is gfx90a: two decimal digits each of minor version and stepping, written as hexadecimal ones."""
    major, minor, stepping = version // 10000, version // 100 % 100, version % 100
    return f"gfx{major}{minor:x}{stepping:x}" if version else ""

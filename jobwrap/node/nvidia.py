"""NVIDIA's GPUs, as their kernel driver lists them in /proc. Not tested on hardware.

Their memory, their compute capability and the names of MIG slices are only told by NVIDIA's library.
"""

from __future__ import annotations

import re

from jobwrap.node import files
from jobwrap.node.device import Device, Told

_DRIVER = "/proc/driver/nvidia"
# The first driver branch of each CUDA version, from the release notes of the CUDA Toolkit, table
# "CUDA Toolkit and Corresponding Driver Versions".
_BRANCHES = (
    (590, "13.1"), (580, "13.0"), (575, "12.9"), (570, "12.8"), (565, "12.7"), (560, "12.6"), (555, "12.5"),
    (550, "12.4"), (545, "12.3"), (535, "12.2"), (530, "12.1"), (525, "12.0"), (520, "11.8"), (515, "11.7"),
    (510, "11.6"), (495, "11.5"), (470, "11.4"), (465, "11.3"), (460, "11.2"), (455, "11.1"), (450, "11.0"),
    (440, "10.2"), (418, "10.1"), (410, "10.0"), (396, "9.2"), (390, "9.1"), (384, "9.0"), (375, "8.0"),
)  # fmt: skip


def find_devices(root: str = "/") -> tuple[Device, ...]:
    """The GPUs that the driver has taken, in the order of their bus numbers.

    One that nobody has used since the driver was loaded may not know its name yet: its id has "?" in it.
    """
    folder = f"{root}{_DRIVER}/gpus"
    found: list[Device] = []
    for bus in files.names(folder):
        facts = files.table(f"{folder}/{bus}/information", ":")
        if facts.get("GPU Excluded") == "Yes":
            continue
        found.append(
            Device(
                vendor="nvidia",
                id=facts.get("GPU UUID", str(len(found))),
                number=len(found),
                name=facts.get("Model", ""),
                mig=bool(_slices(facts.get("Device Minor", ""), root)) or None,
            )
        )
    return tuple(found)


def driver_version(root: str = "/") -> str:
    """Of the loaded kernel driver, "" without one."""
    module = files.line(f"{root}/sys/module/nvidia/version")
    found = re.search(r"\b\d{3,}(?:\.\d+)+", module or files.line(f"{root}{_DRIVER}/version"))
    return found[0] if found else ""


def cuda_of(driver: str) -> str:
    """The newest CUDA version that a driver can run without compatibility packages; "" if not known."""
    number = files.number(driver.partition(".")[0]) or 0
    return next((cuda for first, cuda in _BRANCHES if number >= first), "")


def ask() -> Told | None:
    """What NVIDIA's library tells, or else its nvidia-smi; None where neither can. It may take seconds."""
    from jobwrap.node import nvml, smi

    return nvml.ask() or smi.ask()


def ask_ids() -> list[str] | None:
    """The ids of all GPUs and slices, as plain data for a probe; None where nobody can tell."""
    told = ask()
    return None if told is None else [device.id for device in told.devices]


def ask_parents() -> dict[str, str]:
    """The id of each MIG slice and that of its GPU, as plain data for a probe; {} where nobody can tell."""
    told = ask()
    return {device.id: device.parent for device in told.devices if device.parent} if told else {}


def _slices(minor: str, root: str) -> list[str]:
    """The GPU instances that MIG has made of the GPU with this device number."""
    return [name for name in files.names(f"{root}{_DRIVER}/capabilities/gpu{minor}/mig") if name[:2] == "gi"]

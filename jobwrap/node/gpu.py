"""Which GPUs are there, by what the kernel's drivers tell, and which of them the job was granted.

Nothing here needs a vendor's tool or library: NVIDIA's driver lists its devices in /proc, AMD's in /sys.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.node import files

# Where a batch system or a container tells which devices are meant, the most authoritative first.
_GRANTS = (
    ("_CONDOR_AssignedGPUs", ""),
    ("CUDA_VISIBLE_DEVICES", "nvidia"),
    ("NVIDIA_VISIBLE_DEVICES", "nvidia"),
    ("ROCR_VISIBLE_DEVICES", "amd"),
    ("HIP_VISIBLE_DEVICES", "amd"),
    ("GPU_DEVICE_ORDINAL", ""),
)
_NONE = frozenset(["", "10000", "none", "na", "-1", "nodevfiles", "void"])
_INDEX_PREFIXES = ("CUDA", "HIP", "OCL")  # condor_gpu_discovery's names for a device by its number


class Gpus(NamedTuple):
    """vendor: "nvidia", "amd" or ""; granted: as the batch system named them; present: UUIDs or numbers.

    source  the variable that names the granted ones, also where it says that there are none; "" if none does
    driver  the version of NVIDIA's kernel driver, "550.54.15"; "" where there is none
    """

    vendor: str
    granted: tuple[str, ...]
    present: tuple[str, ...]
    source: str = ""
    driver: str = ""


def find_gpus(environ: Mapping[str, str], root: str = "/") -> Gpus:
    """What is present under `root` and granted by `environ`."""
    nvidia, amd = _nvidia(root), _amd(root)
    source, hint = next(((name, of) for name, of in _GRANTS if name in environ), ("", ""))
    vendor = "nvidia" if nvidia else "amd" if amd else ""
    if hint == "amd" and amd:
        vendor = "amd"
    present = amd if vendor == "amd" else nvidia
    granted = read_grant(environ.get(source, ""))
    if granted == ("all",):  # what CUDA's images set for themselves: all that there are, be it none
        granted = present
    driver = _nvidia_driver(root) if vendor == "nvidia" else ""
    return Gpus(vendor or (hint if granted else ""), granted, present, source, driver)


def read_grant(value: str) -> tuple[str, ...]:
    """The devices that a *_VISIBLE_DEVICES variable names; () for each of the usual ways to say none.

    As in CUDA, what stands behind a word that is no device is not visible.
    """
    granted: list[str] = []
    for word in value.split(","):
        if word.strip().lower() in _NONE:
            break
        granted.append(word.strip())
    return tuple(granted)


def verify(gpus: Gpus) -> None:
    """site.no_gpu if a granted device is not there: better now than as a wrong result."""
    missing = [name for name in gpus.granted if not _is_there(name, gpus.present)]
    if missing:
        raise JobwrapError("site.no_gpu", granted=", ".join(missing))


def _is_there(name: str, present: tuple[str, ...]) -> bool:
    number = name
    for prefix in _INDEX_PREFIXES:
        number = number.removeprefix(prefix)
    if number.isdecimal():
        return int(number) < len(present)
    return any(known.lower().startswith(name.lower()) for known in present)


def _nvidia(root: str) -> tuple[str, ...]:
    folder = f"{root}/proc/driver/nvidia/gpus"
    found: list[str] = []
    for bus in files.names(folder):
        facts = _fields(files.text(f"{folder}/{bus}/information"), ":")
        if facts.get("GPU Excluded") != "Yes":
            found.append(facts.get("GPU UUID", bus))
    return tuple(found)


def _nvidia_driver(root: str) -> str:
    line = files.line(f"{root}/proc/driver/nvidia/version")
    found = re.search(r" (\d+(?:\.\d+)+) ", f"{line} ", re.ASCII)  # the first number with a dot in it
    return found[1] if found else ""


def _amd(root: str) -> tuple[str, ...]:
    folder = f"{root}/sys/class/kfd/kfd/topology/nodes"
    found: list[str] = []
    for node in sorted(files.names(folder), key=lambda name: (len(name), name)):
        if files.line(f"{folder}/{node}/gpu_id") in ("", "0"):  # a CPU, or a GPU that this cgroup may not use
            continue
        facts = _fields(files.text(f"{folder}/{node}/properties"), " ")
        identity = facts.get("unique_id", "0")
        known = identity.isdecimal() and int(identity)
        found.append(f"GPU-{int(identity):016x}" if known else str(len(found)))
    return tuple(found)


def _fields(text: str, separator: str) -> dict[str, str]:
    pairs = (line.partition(separator) for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}

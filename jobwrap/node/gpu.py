"""Which GPUs are there, by what the kernel's drivers tell, and which of them the job was granted.

On the way to the launch nothing but /proc and /sys is read; NVML is only asked where they cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.node import amd, nvidia, probe

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

    source  who names the granted ones, also where it says that there are none; "" if nobody does
    driver  version of the vendor's kernel driver, "" if not known
    """

    vendor: str
    granted: tuple[str, ...]
    present: tuple[str, ...]
    source: str = ""
    driver: str = ""


def find_gpus(environ: Mapping[str, str], ad: Mapping[str, object], root: str = "/") -> Gpus:
    """What is present under `root`, and granted by `environ` or else by the machine ad."""
    kernel = {"nvidia": nvidia.find_devices(root), "amd": amd.find_devices(root)}
    source, vendor = next(((name, of) for name, of in _GRANTS if name in environ), ("", ""))
    words = environ.get(source, "")
    if not source and isinstance(ad.get("assignedgpus"), str):
        source, words = "AssignedGPUs", str(ad["assignedgpus"])
    there = [each for each in (vendor, "nvidia", "amd") if kernel.get(each)]
    present = tuple(device.id for device in kernel[there[0]]) if there else ()
    granted = read_grant(words)
    if granted == ("all",):  # what CUDA's images set for themselves: all that there are, be it none
        granted = present
    vendor = there[0] if there else vendor if granted else ""
    driver = {"nvidia": nvidia.driver_version, "amd": amd.driver_version}.get(vendor)
    return Gpus(vendor, granted, present, source, driver(root) if driver else "")


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


def verify(gpus: Gpus, deadline: float = 10.0) -> None:
    """JobwrapError site.no_gpu if a granted device is not there: better now than as a wrong result.

    MIG slices, and GPUs that the kernel has no name for yet, are looked up by NVML in a probe; where that
    is not to be had, they pass. site.gpu_broken if the driver does not answer within `deadline` seconds.
    """
    # In a container NVIDIA_VISIBLE_DEVICES has the host's numbers, and only those devices are to be seen.
    hosts = gpus.source == "NVIDIA_VISIBLE_DEVICES" and len(gpus.granted) <= len(gpus.present)
    missing = [
        name for name in gpus.granted if not is_among(name, gpus.present) and not (hosts and name.isdecimal())
    ]
    if missing and gpus.vendor == "nvidia" and gpus.present and _beyond_the_kernel(missing, gpus.present):
        missing = _unknown_to_nvml(missing, deadline)
    if missing:
        raise JobwrapError("site.no_gpu", granted=", ".join(missing))


def is_among(name: str, present: Iterable[str]) -> bool:
    """Whether a granted name, a number, a UUID or the start of one, is that of a device that is there."""
    known = [each.lower() for each in present]
    number = name
    for prefix in _INDEX_PREFIXES:
        number = number.removeprefix(prefix)
    if number.isdecimal() and number.isascii():
        return len(number) < 5 and int(number) < len(known)  # noqa: PLR2004  # no node has as many
    if name.startswith("MIG-GPU-"):  # MIG-GPU-<uuid>/<instance>/<instance>, of drivers before 470
        name = name[len("MIG-") :].partition("/")[0]
    gpu, colon, _ = name.partition(":")  # <gpu>:<slice>, in NVIDIA_VISIBLE_DEVICES
    if colon:
        return is_among(gpu, known)
    return len(name) > len("GPU-") and any(each.startswith(name.lower()) for each in known)


def _beyond_the_kernel(missing: list[str], present: tuple[str, ...]) -> bool:
    return any(name.startswith("MIG-") for name in missing) or any("?" in each for each in present)


def _unknown_to_nvml(missing: list[str], deadline: float) -> list[str]:
    try:
        known: list[str] | None = probe.ask(nvidia.ask_ids, deadline=deadline, what="the NVIDIA driver")
    except (probe.Hung, RuntimeError) as error:
        raise JobwrapError("site.gpu_broken", problem=str(error)) from error
    return [] if known is None else [name for name in missing if not is_among(name, known)]

"""What NVIDIA's library tells beyond /proc: memory, compute capability, the names of MIG slices, their use.

Never on the way to the launch but in a probe, for a grant that /proc cannot confirm: the library wakes
sleeping GPUs, which takes seconds. Held against a library of the tests' own; not tested on hardware.
Source: NVML API reference (nvml.h).
"""

from __future__ import annotations

import ctypes

from jobwrap.node.device import Device, Told

# Where node images and operators put it when the loader does not know it.
_LIBRARIES = (
    "libnvidia-ml.so.1",
    "/usr/local/nvidia/lib64/libnvidia-ml.so.1",
    "/run/nvidia/driver/usr/lib64/libnvidia-ml.so.1",
)
_TEXT = 96  # NVML_DEVICE_UUID_V2_BUFFER_SIZE and NVML_DEVICE_NAME_V2_BUFFER_SIZE


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong))


class _Rates(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


def ask() -> Told | None:
    """All that the library tells; None where there is none or it does not work."""
    library = _load()
    if library is None or library.nvmlInit_v2():
        return None
    try:
        return Told(
            _text(library.nvmlSystemGetDriverVersion),
            _cuda(_number(library.nvmlSystemGetCudaDriverVersion_v2, ctypes.c_int) or 0),
            tuple(_devices(library)),
        )
    finally:
        library.nvmlShutdown()


def ask_use() -> list[tuple[str, int | None, int | None, int | None]]:
    """Of each GPU, and of each slice after its GPU: id, bytes in use, percent of the latest moment in which
    it was busy, millijoules so far; None for what it does not tell. Plain data for a probe.
    """
    library = _load()
    if library is None or library.nvmlInit_v2():
        return []
    try:
        gpus = _gpus(library).values()
        return [_use(library, each) for gpu in gpus for each in (gpu, *_slices(library, gpu).values())]
    finally:
        library.nvmlShutdown()


def _load() -> ctypes.CDLL | None:
    for name in _LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


def _devices(library: ctypes.CDLL) -> list[Device]:
    found: list[Device] = []
    for index, handle in _gpus(library).items():
        slices = [_device(library, each, number) for number, each in _slices(library, handle).items()]
        major, minor = ctypes.c_int(), ctypes.c_int()
        failed = library.nvmlDeviceGetCudaComputeCapability(handle, ctypes.byref(major), ctypes.byref(minor))
        capability = "" if failed else f"{major.value}.{minor.value}"
        gpu = _device(library, handle, index)._replace(capability=capability, mig=bool(slices))
        found.append(gpu)
        found += (each._replace(capability=capability, parent=gpu.id) for each in slices)
    return found


def _gpus(library: ctypes.CDLL) -> dict[int, ctypes.c_void_p]:
    """Handles by number."""
    found: dict[int, ctypes.c_void_p] = {}
    for index in range(_number(library.nvmlDeviceGetCount_v2) or 0):
        handle = ctypes.c_void_p()
        if not library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)):
            found[index] = handle  # else it has fallen off the bus
    return found


def _slices(library: ctypes.CDLL, gpu: ctypes.c_void_p) -> dict[int, ctypes.c_void_p]:
    """Handles of the MIG slices of a GPU, by number."""
    found: dict[int, ctypes.c_void_p] = {}
    if not hasattr(library, "nvmlDeviceGetMigDeviceHandleByIndex"):  # before driver 450
        return found
    for index in range(_number(library.nvmlDeviceGetMaxMigDeviceCount, ctypes.c_uint, gpu) or 0):
        handle = ctypes.c_void_p()
        if not library.nvmlDeviceGetMigDeviceHandleByIndex(gpu, index, ctypes.byref(handle)):
            found[index] = handle
    return found


def _use(library: ctypes.CDLL, handle: ctypes.c_void_p) -> tuple[str, int | None, int | None, int | None]:
    memory, rates, energy = _Memory(), _Rates(), ctypes.c_ulonglong()
    untold = [
        call(handle, ctypes.byref(into))
        for call, into in (
            (library.nvmlDeviceGetMemoryInfo, memory),
            (library.nvmlDeviceGetUtilizationRates, rates),
            (library.nvmlDeviceGetTotalEnergyConsumption, energy),
        )
    ]
    told = (memory.used, rates.gpu, energy.value)
    used, busy, spent = (None if failed else value for failed, value in zip(untold, told))
    return _text(library.nvmlDeviceGetUUID, handle), used, busy, spent


def _device(library: ctypes.CDLL, handle: ctypes.c_void_p, number: int) -> Device:
    memory = _Memory()
    failed = library.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory))
    return Device(
        vendor="nvidia",
        id=_text(library.nvmlDeviceGetUUID, handle),
        number=number,
        name=_text(library.nvmlDeviceGetName, handle),
        memory=None if failed else memory.total,
    )


def _text(call: ctypes._NamedFuncPointer, *args: ctypes.c_void_p) -> str:
    buffer = ctypes.create_string_buffer(_TEXT)
    return "" if call(*args, buffer, ctypes.c_uint(_TEXT)) else buffer.value.decode(errors="replace")


def _number(
    call: ctypes._NamedFuncPointer,
    kind: type[ctypes.c_uint | ctypes.c_int] = ctypes.c_uint,
    *args: ctypes.c_void_p,
) -> int | None:
    value = kind()
    return None if call(*args, ctypes.byref(value)) else value.value


def _cuda(number: int) -> str:
    """12040 is 12.4."""
    return f"{number // 1000}.{number % 1000 // 10}" if number else ""

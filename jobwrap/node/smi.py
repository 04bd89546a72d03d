"""What NVIDIA's nvidia-smi tells, where its library cannot be loaded. Not tested on hardware."""

from __future__ import annotations

import re
import subprocess

from jobwrap.node.device import Device, Told
from jobwrap.node.nvidia import cuda_of

# GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-...)
#   MIG 1g.5gb     Device  0: (UUID: MIG-...)
_LISTED = re.compile(
    r"^(?:GPU (?P<gpu>\d+): (?P<name>.*)| +MIG (?P<profile>\S+) +Device +(?P<slice>\d+):)"
    r" \(UUID: (?P<id>.+)\)$",
    re.MULTILINE | re.ASCII,
)
_TABLE = ("--query-gpu=uuid,memory.total,driver_version", "--format=csv,noheader,nounits")
_ROW = re.compile(r"^(\S+), (\d+), (\S+)$", re.MULTILINE | re.ASCII)


def ask() -> Told | None:
    """All but the compute capability and the memory of slices; None where there is no such program."""
    lists, table = _run("-L"), _run(*_TABLE)
    if lists is None or table is None:
        return None
    rows = _ROW.findall(table)
    megabytes = {uuid: int(size) for uuid, size, _ in rows}
    devices: list[Device] = []
    at = 0  # of the GPU whose slices follow it
    for found in _LISTED.finditer(lists):
        if found["gpu"]:
            at, size = len(devices), megabytes.get(found["id"])
            memory = None if size is None else size << 20
            devices.append(Device("nvidia", found["id"], int(found["gpu"]), found["name"], memory, mig=False))
        elif devices:
            devices[at] = devices[at]._replace(mig=True)
            index, parent = int(found["slice"]), devices[at].id
            devices.append(Device("nvidia", found["id"], index, found["profile"], parent=parent))
    driver = rows[0][2] if rows else ""
    return Told(driver, cuda_of(driver), tuple(devices))


def _run(*words: str) -> str | None:
    try:
        done = subprocess.run(["nvidia-smi", *words], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace")

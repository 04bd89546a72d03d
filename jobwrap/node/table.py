"""The report of a node as a table for people."""

from __future__ import annotations

from jobwrap.node.cpu import LEVELS
from jobwrap.node.cvmfs import EMPTY, MISSING, Repository
from jobwrap.node.device import Device
from jobwrap.node.report import Report
from jobwrap.node.survey import Node
from jobwrap.node.trial import Trial

_WIDTH = 10


def table_lines(report: Report) -> list[str]:
    """One fact a line: what it is of, and what is known."""
    node = report.node
    rows = [
        ("node", _words(node.hostname, f"Linux {node.kernel}", f"Python {node.python}")),
        ("inside", node.container and f"a container: {node.container}"),
        *_cpu(node),
        *(("gpu", _device(device)) for device in report.gpus.devices),
        ("gpu", report.gpu_problem),
        ("granted", _granted(node)),
        *_slot(node),
        *_runtime(report),
        *(("cvmfs", _repository(repository)) for repository in report.repositories),
    ]
    return [f"{name:<{_WIDTH}}{text}" for name, text in rows if text]


def _cpu(node: Node) -> list[tuple[str, str]]:
    cpu = node.cpu
    rows = [("cpu", _words(node.machine, cpu.level or "", cpu.model or cpu.vendor))]
    if cpu.level is None:
        return [*rows, ("features", " ".join(sorted(cpu.features)))]
    above = LEVELS[LEVELS.index(cpu.level) + 1 :][:1]
    return [*rows, *(("", f"lacks for {level}: {' '.join(cpu.lacks(level))}") for level in above)]


def _words(*words: str) -> str:
    return ", ".join(word for word in words if word)


def _device(device: Device) -> str:
    size = f"{device.memory / (1 << 30):.1f} GiB" if device.memory else ""
    slices = "cut into slices" if device.mig else f"a slice of {device.parent}" if device.parent else ""
    return _words(device.id, device.name, size, device.capability, slices)


def _granted(node: Node) -> str:
    if not node.gpus.source:
        return "nobody says which are granted" if node.gpus.present else ""
    return f"{', '.join(node.gpus.granted) or 'none'} granted by {node.gpus.source}"


def _slot(node: Node) -> list[tuple[str, str]]:
    slot = node.slot
    free = _words(
        size(slot.free_disk) and f"{size(slot.free_disk)} free",
        "" if slot.free_inodes is None else f"{slot.free_inodes} files more",
        "" if slot.writable else "not writable",
        "" if slot.executable else "no program can be started from it",
    )
    cores = "" if slot.cpus is None else f"{slot.cpus} core{'s' * (slot.cpus != 1)}"
    memory = size(slot.memory) and f"{size(slot.memory)} of memory"
    disk = size(slot.disk) and f"{size(slot.disk)} of disk"
    granted = _words(cores, memory, disk)
    return [("slot", f"{granted} ({slot.source})" if granted else ""), ("scratch", free)]


def _runtime(report: Report) -> list[tuple[str, str]]:
    node, trial, namespaces = report.node, report.trial, report.namespaces
    rows = [("runtime", f"{node.runtime.path} ({node.runtime.source})" if node.runtime else "none")]
    rows += [("", f"not {path}: {why}") for path, why in node.rejected]
    if trial:
        rows.append(("", f"tried: {_tried(trial)}"))
    possible = {True: "possible", False: "not possible", None: "perhaps possible"}[namespaces.possible]
    why = f" ({namespaces.why})" if namespaces.why else ""
    return [*rows, ("", f"user namespaces: {possible}{why}")]


def _tried(trial: Trial) -> str:
    if trial.problem:
        return f"it starts no container: {trial.problem}"
    return _words(
        f"{trial.product} {trial.version} by {trial.mode}",
        "PID namespaces" if trial.pid else "no PID namespaces",
        trial.layer or "neither overlay nor underlay",
        {True: "image files", False: "no image files", None: ""}[trial.sif],
    )


def _repository(repository: Repository) -> str:
    facts = _words(
        repository.state,
        "" if repository.state in (MISSING, EMPTY) else repository.problem,
        "" if repository.revision is None else f"revision {repository.revision}",
        f"{repository.nioerr} I/O errors" if repository.nioerr else "",
        repository.host,
        repository.proxy and f"by {repository.proxy}",
    )
    return f"{repository.name}: {facts}"


def size(number: int | None) -> str:
    """Bytes for people, "" if unknown."""
    if number is None:
        return ""
    units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"]
    power = min(max(number.bit_length() - 1, 0) // 10, len(units) - 1)
    return f"{number / (1 << 10 * power):.{min(power, 1)}f} {units[power]}"

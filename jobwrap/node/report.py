"""All that can be told of a node: the survey, and what is too slow for the way to a launch.

The survey is a fact of the launch; the rest, CVMFS's words, NVIDIA's library, user namespaces and trying
the runtimes, is for those who look at a node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from jobwrap.node import cvmfs, nvidia, probe
from jobwrap.node.amd import find_devices as amd_devices
from jobwrap.node.cvmfs import Repository
from jobwrap.node.describe import describe_cpu
from jobwrap.node.device import Device, Told
from jobwrap.node.namespaces import Namespaces, find_namespaces, try_namespaces
from jobwrap.node.survey import Node
from jobwrap.node.trial import Trial, try_runtime


class Report(NamedTuple):
    """cpu: py-cpuinfo's words; gpus: all there are; trial: None where nothing was tried."""

    node: Node
    cpu: dict[str, str | int]
    gpus: Told
    gpu_problem: str
    namespaces: Namespaces
    repositories: tuple[Repository, ...]
    trial: Trial | None


def make_report(node: Node, repositories: Sequence[str], deadline: float, *, test: bool) -> Report:
    """Looks at the rest of this machine; a look that hangs costs `deadline` seconds and is told."""
    gpus, problem = _gpus(node, deadline)
    return Report(
        node=node,
        cpu=describe_cpu(),
        gpus=gpus,
        gpu_problem=problem,
        namespaces=try_namespaces(deadline) if test else find_namespaces(),
        repositories=cvmfs.look(repositories, node.cvmfs, deadline),
        trial=try_runtime(node.runtime, deadline) if test and node.runtime else None,
    )


def _gpus(node: Node, deadline: float) -> tuple[Told, str]:
    """What is there, and what kept NVIDIA's library from telling more than /proc."""
    known = Told(node.gpus.driver, nvidia.cuda_of(node.gpus.driver), (*nvidia.find_devices(), *amd_devices()))
    if node.gpus.vendor != "nvidia" or not node.gpus.present:
        return known._replace(cuda="" if node.gpus.vendor != "nvidia" else known.cuda), ""
    try:
        told = probe.ask(_ask_nvidia, deadline=deadline, what="the NVIDIA driver")
    except (probe.Hung, RuntimeError) as error:
        return known, str(error)
    if told is None:
        return known, "neither NVIDIA's library nor its nvidia-smi is there"
    driver, cuda, devices = told
    return Told(driver, cuda, tuple(Device(*each) for each in devices)), ""


def _ask_nvidia() -> Any:
    """In the probe, so as plain data."""
    told = nvidia.ask()
    return told and (told.driver, told.cuda, [tuple(device) for device in told.devices])


def as_record(report: Report) -> dict[str, Any]:
    """The report as --json prints it: names as in the docstrings of the nouns, None for what is not known."""
    node = report.node
    return {
        **node._asdict(),
        "cpu": {**node.cpu._asdict(), "features": sorted(node.cpu.features), "described": report.cpu},
        "gpus": {
            **node.gpus._asdict(),
            "cuda": report.gpus.cuda,
            "devices": [device._asdict() for device in report.gpus.devices],
            "problem": report.gpu_problem,
        },
        "runtime": node.runtime and node.runtime._asdict(),
        "rejected": [{"path": path, "why": why} for path, why in node.rejected],
        "slot": node.slot._asdict(),
        "namespaces": report.namespaces._asdict(),
        "repositories": [repository._asdict() for repository in report.repositories],
        "trial": report.trial and {**report.trial._asdict(), "runtime": report.trial.runtime.path},
    }

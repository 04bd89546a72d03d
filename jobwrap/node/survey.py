"""The survey: one look at the machine, in a millisecond or two, as one Node."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import NamedTuple

from jobwrap.node import files
from jobwrap.node.container import find_container
from jobwrap.node.cpu import Cpu, find_cpu
from jobwrap.node.cvmfs import cvmfs_mount
from jobwrap.node.gpu import Gpus, find_gpus
from jobwrap.node.runtime import Runtime, find_runtime
from jobwrap.node.slot import Slot, find_slot


class Node(NamedTuple):
    """Where the job is. What is not known is None, "" or ().

    machine    "x86_64", "aarch64" …
    runtime    the container runtime to use; rejected: those before it, as (path, why)
    container  what jobwrap was itself started inside: "apptainer", "docker" …, or ""
    cvmfs      the folder that CVMFS repositories are mounted in
    """

    hostname: str
    machine: str
    kernel: str
    python: str
    cpu: Cpu
    gpus: Gpus
    runtime: Runtime | None
    rejected: tuple[tuple[str, str], ...]
    slot: Slot
    container: str
    cvmfs: str


def survey(
    environ: Mapping[str, str],
    machine_ad: Mapping[str, object],
    scratch: str,
    *,
    runtime: str = "",
    deadline: float = 10.0,
    root: str = "/",
) -> Node:
    """The Node that the tree under `root` and the environment describe; odd input makes unknown facts.

    runtime: the site's setting, a path. Nothing of CVMFS is touched unless a runtime is to be found there,
    and then for no more than `deadline` seconds.
    """
    root = root.rstrip("/")
    system = os.uname()
    cpu = find_cpu(root)
    cvmfs = cvmfs_mount(environ)
    found, rejected = find_runtime(
        environ, machine_ad, setting=runtime, mount=cvmfs, deadline=deadline, root=root
    )
    return Node(
        hostname=files.line(f"{root}/proc/sys/kernel/hostname") or system.nodename,
        machine=_machine(cpu, root) or system.machine,
        kernel=files.line(f"{root}/proc/sys/kernel/osrelease") or system.release,
        python="{}.{}.{}".format(*sys.version_info),
        cpu=cpu,
        gpus=find_gpus(environ, machine_ad, root),
        runtime=found,
        rejected=rejected,
        slot=find_slot(machine_ad, scratch, root),
        container=find_container(environ, root),
        cvmfs=cvmfs,
    )


def _machine(cpu: Cpu, root: str) -> str:
    """By what the CPU says of itself, so that a recorded tree tells too; a kernel since 6.1 names it."""
    named = files.line(f"{root}/proc/sys/kernel/arch")
    if named:
        return named
    if cpu.level:
        return "x86_64"
    return "aarch64" if "asimd" in cpu.features else ""

"""The node as attributes of a machine ad, by the names that pools match on today.

Names and meanings: HTCondor's own (Microarch, has_avx2), GlideinWMS's (HAS_SINGULARITY,
SINGULARITY_MODE) and the OSPool's (HAS_CVMFS_..., CVMFS_..._NIOERR, HAS_avx512f, OSG_HOST_KERNEL_VERSION).
"""

from __future__ import annotations

import re
import time

from jobwrap import __version__
from jobwrap.job.classad import Value, format_value
from jobwrap.node.cvmfs import PRESENT, Repository
from jobwrap.node.report import Report
from jobwrap.node.trial import SETUID

_HTCONDOR_FLAGS = ("ssse3", "sse4_1", "sse4_2", "avx", "avx2", "avx512f", "avx512dq")
_OSPOOL_FLAGS = re.compile(r"avx512|cx16|f16c")


def classad_lines(report: Report) -> list[str]:
    """What a STARTD_CRON job prints: an attribute a line, then the line that ends the ad."""
    attributes: dict[str, Value] = {
        "JobwrapVersion": __version__,
        **_cpu(report),
        **_runtime(report),
    }
    for repository in report.repositories:
        attributes.update(_repository(repository))
    known = {name: value for name, value in attributes.items() if value not in (None, "")}
    return [*(f"{name} = {format_value(value)}" for name, value in known.items()), "-"]


def _cpu(report: Report) -> dict[str, Value]:
    cpu = report.node.cpu
    attributes: dict[str, Value] = {"Microarch": (cpu.level or "").replace("x86-64", "x86_64")}
    if cpu.level:
        attributes.update({f"has_{flag}": flag in cpu.features for flag in _HTCONDOR_FLAGS})
        attributes["has_avx512dnni"] = "avx512_vnni" in cpu.features  # spelled as HTCondor does
    attributes.update({f"HAS_{flag}": True for flag in sorted(cpu.features) if _OSPOOL_FLAGS.search(flag)})
    version = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", report.node.kernel)
    if version:
        major, minor, patch = (int(part or 0) for part in version.groups())
        attributes["OSG_HOST_KERNEL_VERSION"] = 10000 * major + 100 * minor + patch
    return attributes


def _runtime(report: Report) -> dict[str, Value]:
    runtime, trial, possible = report.node.runtime, report.trial, report.namespaces.possible
    attributes: dict[str, Value] = {
        "HAS_SINGULARITY": runtime is not None and not (trial and trial.problem),
        "SINGULARITY_PATH": runtime and runtime.path,
        "HAS_UNPRIVILEGED_USER_NAMESPACES": {True: "enabled", False: "disabled", None: ""}[possible],
    }
    if trial and not trial.problem:
        attributes.update(
            SINGULARITY_VERSION=trial.version,
            SINGULARITY_MODE="privileged" if trial.mode == SETUID else "unprivileged",
            SINGULARITY_CAN_USE_SIF=trial.sif,
            HasPidNamespaces=trial.pid,
        )
    return attributes


def _repository(repository: Repository) -> dict[str, Value]:
    name = re.sub(r"\W", "_", repository.name, flags=re.ASCII)
    attributes: dict[str, Value] = {f"HAS_CVMFS_{name}": repository.state == PRESENT}
    if repository.state == PRESENT:
        # -1 is the pool's word for unknown and for never.
        since = int(time.time()) - repository.last_ioerr if repository.last_ioerr else -1
        attributes[f"CVMFS_{name}_REVISION"] = repository.revision or 0
        attributes[f"CVMFS_{name}_NIOERR"] = -1 if repository.nioerr is None else repository.nioerr
        attributes[f"CVMFS_{name}_LAST_IOERR"] = max(since, -1)
    return attributes

"""The task's environment: what is let through from the caller, what jobwrap sets, what the job asks for.

docs/environment.md is the table for users. The values travel through the gate byte for byte; the
image's own variables stay unless something here has their name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from jobwrap import __version__
from jobwrap.job.spec import Job
from jobwrap.letters import is_variable
from jobwrap.node.gpu import Gpus
from jobwrap.node.survey import Node

# What the batch system and the site tell a task; _CONDOR_CREDS is a credential, and asked for by name.
_FAMILIES = ("_CONDOR_", "OSG_", "OSGVO_", "GLIDEIN_", "PEGASUS_", "LC_")
_KEPT_OUT = ("_CONDOR_CREDS", "_CONDOR_WRAPPER_ERROR_FILE")
# How many threads a library starts, where the task does not say; HTCondor sets the same ones.
THREADS = (
    "OMP_NUM_THREADS",
    "OMP_THREAD_LIMIT",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "JULIA_NUM_THREADS",
    "GOMAXPROCS",
    "PYTHON_CPU_COUNT",
    "TF_NUM_THREADS",
    "TF_LOOP_PARALLEL_ITERATIONS",
    "ROOT_MAX_THREADS",
    "CUBACORES",
)
_PASSED = {
    *THREADS,
    *("_CHIRP_DELAYED_UPDATE_PREFIX", "BATCH_SYSTEM", "CONDOR_JOBID", "TZ", "LANG", "LANGUAGE", "TERM"),
    *("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"),
    "GPU_DEVICE_ORDINAL",
}
# What tells a library its GPUs, by their maker; set where only HTCondor has been told which were granted.
_VISIBLE = {"nvidia": ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"), "amd": ("ROCR_VISIBLE_DEVICES",)}
_NOT_TOLD = ("_CONDOR_AssignedGPUs", "AssignedGPUs")


class Environment(NamedTuple):
    """settings: (name, value), each name once; dropped: (name, why)."""

    settings: tuple[tuple[str, str], ...]
    dropped: tuple[tuple[str, str], ...]


def plan_environment(
    job: Job, node: Node, environ: Mapping[str, str], given: Mapping[str, str] | None = None
) -> Environment:
    """What the task will find in its environment on top of the image's own.

    given: variables that point to the credentials that the job asked for.
    """
    settings: dict[str, str] = {}
    dropped: dict[str, str] = {}
    for name, value in environ.items():
        if why := _unfit(name):
            dropped[name] = why
        elif name in _PASSED or (name.startswith(_FAMILIES) and name not in _KEPT_OUT):
            settings[name] = _as_inside(value, job)
    own = dict(_own(job))
    for name, value in job.submitted:
        if why := _unfit(name) or ("jobwrap sets it itself; --env sets another" if name in own else ""):
            dropped[name] = why
        else:
            settings[name] = _as_inside(value, job)
    cpus = job.cpus or node.slot.cpus
    if cpus:
        for name in THREADS:
            settings.setdefault(name, str(cpus))
    settings = {**_visible(node.gpus), **settings, **own, **(given or {})}
    for name, value in job.env:
        if why := _unfit(name):
            dropped[name] = why
        else:
            settings[name] = value
    return Environment(tuple(settings.items()), tuple(dropped.items()))


def _visible(gpus: Gpus) -> dict[str, str]:
    if not gpus.granted or gpus.source not in _NOT_TOLD:
        return {}
    return dict.fromkeys(_VISIBLE.get(gpus.vendor, ()), ",".join(gpus.granted))


def _unfit(name: str) -> str:
    """Why no variable of this name reaches a task, whoever asks for it; "" if it may."""
    if name.startswith(("APPTAINER", "SINGULARITY")):
        return "a job may not steer the container runtime"
    return "" if is_variable(name) else "it is no name for a variable"


def _own(job: Job) -> Iterator[tuple[str, str]]:
    temporary = os.path.join(job.scratch, ".jobwrap", "tmp") if job.here else "/tmp"
    yield "HOME", job.scratch if job.here else job.target
    for name in ("TMPDIR", "TMP", "TEMP"):
        yield name, temporary
    yield "JOBWRAP_VERSION", __version__


def _as_inside(value: str, job: Job) -> str:
    """A path in scratch as the task sees it; several may stand in one value, with colons between them."""
    if job.here or job.scratch not in value:
        return value
    parts = value.split(":")
    for at, part in enumerate(parts):
        if part == job.scratch or part.startswith(job.scratch + "/"):
            parts[at] = job.target + part[len(job.scratch) :]
    return ":".join(parts)


def runtime_environment(environ: Mapping[str, str], *, container: bool) -> dict[str, str]:
    """What the runtime itself gets: nothing that a job could steer it with.

    container: whether there is one, which hides this from the task.
    """
    path = environ.get("PATH") or os.defpath
    own = {"PATH": f"{path}:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8"}
    # Of Apptainer's CPU, Go's garbage collector takes 4 %, for a tenth of a second of work.
    return {**own, "GOGC": "off"} if container else own

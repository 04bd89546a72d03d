"""What HTCondor says about a job: the ads that the starter leaves in scratch, as a layer and as ids."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jobwrap.job.options import Layer

if TYPE_CHECKING:
    from jobwrap.job.classad import Value

Ad = dict[str, "Value"]

# Where each ad lies: the starter's variable, else the name of its file in scratch.
_FILES = {"_CONDOR_JOB_AD": ".job.ad", "_CONDOR_MACHINE_AD": ".machine.ad"}
_MOST = 4 << 20

# Attributes that tell which image a job asks for, the first that is there counts.
_IMAGES = ("containerimage", "singularityimage", "dockerimage")
# An attribute, the option that it stands for, and what one of its units is. Of the time that HTCondor
# leaves between TERM and KILL the task gets nine tenths: the outputs and the record need the rest.
_AMOUNTS = (
    ("requestcpus", "cpus", 1),
    ("requestgpus", "gpus", 1),
    ("requestmemory", "memory", 1 << 20),
    ("requestdisk", "disk", 1 << 10),
    ("jobmaxvacatetime", "grace", 0.9),
    ("successcheckpointexitcode", "checkpoint-exit-code", 1),
)
_IDS = (
    "GlobalJobId",
    "ClusterId",
    "ProcId",
    "NumJobStarts",
    "UserLog",
    "JobUniverse",
    "DAGManJobId",
    "DAGNodeName",
    "pegasus_wf_uuid",
    "pegasus_wf_dag_job_id",
    "pegasus_wf_xformation",
    "ProjectName",
)


def read_ad(name: str, environ: Mapping[str, str], scratch: str = "") -> Ad:
    """The ad that the variable `name` points to, {} where there is none or it cannot be read."""
    folder = environ.get("_CONDOR_SCRATCH_DIR", scratch)
    path = environ.get(name) or (os.path.join(folder, _FILES[name]) if folder else "")
    try:
        with open(path, "rb") as file:
            text = file.read(_MOST).decode(errors="replace")
    except (OSError, ValueError):
        return {}
    from jobwrap.job.classad import parse_ad  # 7 ms of regular expressions, where there is an ad

    return parse_ad(text)


def layer_of(ad: Ad, inside_its_image: bool) -> Layer:
    """What the job ad asks for; what only an evaluation could tell is left out.

    inside_its_image: HTCondor itself has put the job in its container already.
    """
    layer: Layer = {}
    image = next((ad[name] for name in _IMAGES if isinstance(ad.get(name), str)), "")
    if image and not inside_its_image:
        layer["image"] = image
    for attribute, option, unit in _AMOUNTS:
        amount = ad.get(attribute)
        if isinstance(amount, (int, float)) and not isinstance(amount, bool) and 0 <= amount < 1 << 50:
            layer[option] = amount * unit
    return layer


def variables_of(ad: Ad, environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What the job ad sets in the job's environment; ValueError if that cannot be read.

    With the values that the starter gave them, which has put in what only it knows ($$(CondorScratchDir)).
    """
    if "environment" not in ad and "env" not in ad:
        return ()
    from jobwrap.job.environment import environment

    return tuple((name, environ.get(name, value)) for name, value in environment(ad).items())


def wants_container(ad: Ad) -> bool:
    """Whether HTCondor starts a container for this job by itself."""
    return any(
        ad.get(name) is True for name in ("wantcontainer", "wantdocker", "wantsif", "wantsandboximage")
    )


def ids_of(ad: Ad) -> tuple[tuple[str, str], ...]:
    """Who the job is, as (attribute, value)."""
    found: dict[str, Any] = {name: ad.get(name.lower()) for name in _IDS}
    return tuple((name, str(value)) for name, value in found.items() if isinstance(value, (str, int)))

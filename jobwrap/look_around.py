"""The first look: the survey of the node, and the choice of the image begun.

All else that a plan needs is imported while the image is looked at; so this file imports little.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobwrap.image.choose import Choice
from jobwrap.job.spec import Job
from jobwrap.node.runtime import find_named
from jobwrap.node.survey import Node, survey
from jobwrap.settings import Settings


def look_around(
    job: Job, settings: Settings, environ: Mapping[str, str], machine_ad: Mapping[str, Any]
) -> tuple[Node, Choice]:
    """The node, with what the site says about it, and the image that is being chosen for the job.

    JobwrapError image.unsupported for an image that makes no sense.
    """
    if settings.cvmfs:
        environ = {**environ, "CVMFS_MOUNT_DIR": settings.cvmfs}
    node = survey(environ, machine_ad, job.scratch, runtime=settings.runtime, deadline=settings.deadline)
    if job.runtime:
        missing = ((job.runtime, "asked for with --runtime, and in no folder of PATH"),)
        found = find_named(job.runtime, environ, mount=node.cvmfs, deadline=settings.deadline)
        node = node._replace(runtime=found, rejected=missing)
    return node, Choice(job, node, settings, environ)

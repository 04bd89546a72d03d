"""Who looks for an image, and what an image can be."""

from __future__ import annotations

from typing import NamedTuple

from jobwrap.image.view import View, cvmfs_at
from jobwrap.job.spec import Job
from jobwrap.node.survey import Node
from jobwrap.settings import Settings

SANDBOX, SIF = "sandbox", "sif"


class Looker(NamedTuple):
    """Who looks for what, from where.

    folder   where the job's relative paths begin
    catalog  the text of the site's catalog where that lies behind a URL (published.py)
    """

    job: Job
    node: Node
    settings: Settings
    folder: str
    catalog: str = ""

    @property
    def view(self) -> View:
        """The node's file system with CVMFS at its usual place."""
        return cvmfs_at(self.node.cvmfs)

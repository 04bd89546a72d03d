"""Inputs as they come: fetched, told to record and log, and taken into the plan."""

from __future__ import annotations

import os
from collections.abc import Sequence

from jobwrap.asked import Asked
from jobwrap.image.choose import check_program
from jobwrap.log import Log
from jobwrap.plan import Plan, with_cached
from jobwrap.record.exitrecord import ExitRecord
from jobwrap.stage.inputs import fetch_inputs, room_left
from jobwrap.stage.plan import with_paths
from jobwrap.transfer.fetch import Came, Fetched
from jobwrap.transfer.options import options_of
from jobwrap.transfer.progress import progress_line


class Arrivals:
    """Of one run."""

    def __init__(self, asked: Asked, record: ExitRecord, log: Log) -> None:
        self._asked, self._record, self._log = asked, record, log

    def fetch(self, plan: Plan) -> Plan:
        """The plan once all that was wanted has come, into scratch or the node's cache.

        JobwrapError image.* where the task's program is among them and cannot run here.
        """
        job, settings = self._asked.job, self._asked.settings
        options = options_of(settings, os.environ)._replace(room=room_left(job, plan.node.slot))
        came = Came()
        line = progress_line("stage-in", self._asked.call, self._log.tell)
        try:
            fetch_inputs(plan.staging, job.scratch, options, came, line)
        finally:
            if line:
                line.end()
            self._note(came)
        self._check_program(came, plan)
        cached = [each for each in came if each.path != os.path.join(job.scratch, each.name)]
        return with_cached(plan._replace(staging=plan.staging._replace(wanted=())), settings, cached)

    def found(self, plan: Plan) -> None:
        """Those that lay in the node's cache. JobwrapError image.* as for what is fetched."""
        self._note(plan.staging.cached)
        self._check_program(plan.staging.cached, plan)

    def _note(self, came: Came | Sequence[Fetched]) -> None:
        if came:
            self._record.extend("transfers", (each._asdict() for each in came), len(came))
        for each in came:
            self._log.info("fetched", **each._asdict())

    def _check_program(self, came: Came | Sequence[Fetched], plan: Plan) -> None:
        """The task's program may be among them, where the image does not have it."""
        if plan.image and not plan.image.program and came:
            job = with_paths(self._asked.job, {each.name: each.path for each in came})
            check_program(plan.image, job, plan.node, self._asked.settings)

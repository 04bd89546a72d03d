"""Outputs as they go: which, when, and told to record and log."""

from __future__ import annotations

import os

from jobwrap.asked import Asked
from jobwrap.diagnose import Ending, failed
from jobwrap.failures import JobwrapError
from jobwrap.log import Log
from jobwrap.record.exitrecord import ExitRecord, without_secrets
from jobwrap.stage.outputs import StageOut
from jobwrap.transfer.credentials import identities
from jobwrap.transfer.options import options_of
from jobwrap.transfer.progress import progress_line


class Departures:
    """Of one run."""

    def __init__(self, asked: Asked, record: ExitRecord, log: Log) -> None:
        self._asked, self._record, self._log = asked, record, log

    def deliver(self, ending: Ending, journal: str) -> Ending:
        """The ending, once the outputs that it asks for are delivered; output.* if they cannot be.

        journal  the record's own path, which is no output
        """
        if not self._wanted(ending):
            return ending
        job, settings = self._asked.job, self._asked.settings
        leaving = StageOut(job.outputs, job.scratch, identities(os.environ, more=(journal,)))
        line = progress_line("stage-out", self._asked.call, self._log.tell)
        try:
            if settings.bind_sources is not None:
                from jobwrap.destinations import judge

                judge(job, self._asked.call, settings)
            leaving.deliver(options_of(settings, os.environ), line)
        except JobwrapError as error:
            if ending.code:  # the task's own end is what counts
                return ending._replace(evidence=(*ending.evidence, error.sentence))
            return failed(error)
        finally:
            if line:
                line.end()
            self._note(leaving)
        return ending

    def _wanted(self, ending: Ending) -> bool:
        """None of them is final as long as the task goes on another time."""
        when = {"success": ending.code == 0, "failure": ending.code != 0, "always": True}
        return when[self._asked.job.output_on] and ending.of == "task" and not ending.checkpoint

    def _note(self, leaving: StageOut) -> None:
        self._record.note(
            outputs=[{**each._asdict(), "url": without_secrets(each.url)} for each in leaving.delivered]
        )
        for output in self._record.fields["outputs"]:
            self._log.info("delivered", **output)

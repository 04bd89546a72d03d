"""The last word of a run: its record to all who want it, and a line for the person who waits."""

from __future__ import annotations

import os
from typing import Any

from jobwrap.asked import Asked
from jobwrap.diagnose import Ending
from jobwrap.log import Log
from jobwrap.record.delivery import deliver


def tell(record: dict[str, Any], ending: Ending, asked: Asked, log: Log) -> None:
    """To places, collectors, HTCondor and Pegasus, and to the log, which is closed then."""
    job, settings = asked.job, asked.settings
    problems: list[str] = []
    if settings.bind_sources is not None:
        from jobwrap.destinations import without_ways_out

        job, problems = without_ways_out(job, asked.call, settings)
    for problem in (*problems, *deliver(record, job, settings.cache, os.environ)):
        log.warning(problem)
    if ending.error:
        log.error(ending.error.sentence, failure=ending.error.failure.name, code=ending.code)
    if ending.guess:
        log.error(f"a guess: {ending.guess.sentence}")
    log.info("end", code=ending.code, of=ending.of)
    log.close()

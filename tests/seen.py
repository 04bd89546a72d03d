"""Which failures really came up while a test ran, for tests/produced.py.

Seen is what jobwrap's own code raised in this process, what stands in the exit record of a job, and what
jobwrap said on stderr: never what a test made up.
"""

import functools
import re
import sys
from pathlib import Path

from jobwrap.failures import FAILURES, JobwrapError

_CODE = str(Path(__file__).parents[1] / "jobwrap")
_SENTENCES = {
    name: re.compile("jobwrap: " + re.sub(r"\\{.*?\\}", ".*", re.escape(failure.sentence)))
    for name, failure in FAILURES.items()
}
SEEN = set()


def watch():
    """From now on every JobwrapError of jobwrap's own code is seen."""
    make = JobwrapError.__init__

    @functools.wraps(make)
    def made(self, name, /, **facts):
        if sys._getframe(1).f_code.co_filename.startswith(_CODE):
            SEEN.add(name)
        make(self, name, **facts)

    JobwrapError.__init__ = made


def record(told):
    """What the record of a job that was really run has; the same record."""
    if told and told.get("end") and told["end"]["failure"]:
        SEEN.add(told["end"]["failure"])
    return told


def words(stderr):
    """What a jobwrap that was really started said."""
    for line in stderr.splitlines():
        SEEN.update(name for name, sentence in _SENTENCES.items() if sentence.fullmatch(line))

"""What a real pool does to a job, named by `jobwrap record finish` from the event log that the pool wrote."""

import json
import subprocess
import tempfile
from pathlib import Path

import pytest

from jobwrap.record.form import problems
from tests import seen
from tests.condor_test import condor, submit, submit_side  # noqa: F401
from tests.run_test import wait_for

pytestmark = pytest.mark.condor
JOB = """
executable = jobwrap
arguments = "--record {record} --image htc/debian:12 -- sleep 600"
should_transfer_files = YES
when_to_transfer_output = ON_EXIT_OR_EVICT
log = job.log
queue
"""


@pytest.fixture
def shared():
    """A folder that the job sees, too: HTCondor gives it a /tmp of its own."""
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        yield Path(folder)


@pytest.fixture
def ended(submit_side, shared):  # noqa: F811
    """Starts a job, has it ended by this command, and finishes its record; the record."""

    def ended(*command):
        path = shared / "record.json"
        cluster = submit(submit_side, JOB.format(record=path))
        wait_for(lambda: path.exists() and json.loads(path.read_text())["phase"] == "task", 300)
        condor(*command, cluster)
        finish = [submit_side / "jobwrap", "record", "finish", path]
        wait_for(lambda: subprocess.run(finish, check=False).returncode == 0, 300)
        subprocess.run(["condor_rm", cluster], check=False, capture_output=True)
        record = json.loads(path.read_text())
        assert problems(record) == []
        assert record["job"]["ids"]["UserLog"] == str(submit_side / "job.log")
        return seen.record(record)

    return ended


def test_a_hold_is_told_with_its_reason(ended):
    end = ended("condor_hold", "-reason", "the node shall be looked at")["end"]
    assert end["failure"] == "batch.held"
    assert "the node shall be looked at (by user job)" in end["sentence"]


def test_a_removal_is_told_as_one(ended):
    assert ended("condor_rm")["end"]["failure"] == "batch.removed"

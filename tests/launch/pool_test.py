"""What a task of a real pool finds in its environment."""

import pytest

from tests.condor_test import condor, record_of, submit, submit_side, wait_for  # noqa: F401

pytestmark = pytest.mark.condor
JOB = """
executable = jobwrap
arguments = "--image htc/debian:12 --env D=flag -- env -0"
environment = "A=1 B='x  y' C='$(DOLLAR)(id) it''s ""=' D=ad P=$$(CondorScratchDir)/d HOME=/ APPTAINER_BIND=/"
should_transfer_files = YES
when_to_transfer_output = ON_EXIT_OR_EVICT
output = job.out
error = job.err
log = job.log
queue
"""


def test_the_submit_files_environment_is_the_tasks(submit_side):  # noqa: F811
    submit(submit_side, JOB)
    wait_for(submit_side)
    seen = dict(each.split("=", 1) for each in (submit_side / "job.out").read_text().split("\0") if each)
    wanted = {"A": "1", "B": "x  y", "C": "$(id) it's \"=", "D": "flag", "P": "/srv/d", "HOME": "/srv"}
    assert {name: seen.get(name) for name in wanted} == wanted
    assert seen["_CONDOR_SCRATCH_DIR"] == "/srv"
    dropped = record_of(submit_side / "jobwrap-record.json")["container"]["environment_dropped"]
    assert {each["name"] for each in dropped} >= {"APPTAINER_BIND", "HOME"}

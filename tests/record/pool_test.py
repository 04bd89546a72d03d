"""What a real pool learns from jobwrap: attributes of the job, events of its log, a wrapper's failure."""

import json

import pytest

from tests.condor_test import condor, record_of, submit, submit_side, wait_for  # noqa: F401
from tests.run_test import wait_for as wait_until

pytestmark = pytest.mark.condor
# The lines that docs/htcondor.md has for a submit file.
JOB = """
executable = jobwrap
arguments = {arguments}
should_transfer_files = YES
when_to_transfer_output = ON_EXIT_OR_EVICT
output = job.out
error = job.err
log = job.log
on_exit_hold = ChirpJobwrapAction =?= "hold"
on_exit_hold_reason = strcat(ChirpJobwrapFailure, ": ", ChirpJobwrapSentence)
on_exit_remove = ChirpJobwrapAction =!= "requeue" || NumJobStarts > 1
queue
"""
HELD = 5


def ad_of(cluster, command="condor_history"):
    """The job's ad; into the history it comes a moment after its end."""
    words = ["-limit", "1"] if command == "condor_history" else []
    return json.loads(wait_until(lambda: condor(command, cluster, "-json", *words).strip(), 300))[0]


def test_the_job_ad_has_what_jobwrap_found_when_the_job_has_ended(submit_side):  # noqa: F811
    cluster = submit(submit_side, JOB.format(arguments="\"--image htc/debian:12 -- sh -c 'exit 3'\""))
    wait_for(submit_side)
    ad, record = ad_of(cluster), record_of(submit_side / "jobwrap-record.json")
    assert (ad["ExitCode"], ad["ChirpJobwrapFailure"], ad["ChirpJobwrapAction"]) == (
        3,
        "task.failed",
        "leave",
    )
    assert ad["ChirpJobwrapImagePin"] == record["image"]["path"]
    assert ad["ChirpJobwrapCpuLevel"] == record["node"]["cpu"]["level"]
    assert ad["ChirpJobwrapRecordId"] == record["id"]


def test_a_job_that_only_its_user_can_mend_is_held_with_the_reason(submit_side):  # noqa: F811
    cluster = submit(submit_side, JOB.format(arguments="--image htc/none:1 -- true"))
    wait_until(lambda: ad_of(cluster, "condor_q").get("JobStatus") == HELD, 300)
    reason = ad_of(cluster, "condor_q")["HoldReason"]
    condor("condor_rm", cluster)
    assert "image.not_found: there is no image htc/none:1" in reason


def test_a_job_that_the_site_failed_is_started_again_and_its_log_says_why(submit_side):  # noqa: F811
    words = """
environment = "CVMFS_BASE=/no/cvmfs"
want_io_proxy = true
transfer_output_remaps = "jobwrap-record.json = record.$(Cluster).$$([NumJobStarts]).json"
"""
    cluster = submit(submit_side, words + JOB.format(arguments="--image htc/debian:12 -- true"))
    wait_for(submit_side)
    ad = ad_of(cluster)
    assert (ad["ChirpJobwrapFailure"], ad["NumJobStarts"]) == ("site.cvmfs_missing", 2)
    assert "jobwrap: site.cvmfs_missing: /no/cvmfs" in (submit_side / "job.log").read_text()
    first, second = (record_of(submit_side / f"record.{float(cluster):.0f}.{n}.json") for n in (0, 1))
    assert first["job"]["ids"]["GlobalJobId"] == second["job"]["ids"]["GlobalJobId"]
    assert first["id"] != second["id"]

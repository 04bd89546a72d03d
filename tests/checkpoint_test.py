"""A task that takes a checkpoint and is started again in the same scratch folder."""

import json
import os
import tarfile
import time

import pytest

AD = 'GlobalJobId = "s#1.0#1"\nClusterId = 1\nSuccessCheckpointExitCode = 77\n'
# It needs its inputs as they were each time, and changes one of them.
STEP = """
cat sent.txt fetched.txt packed/x hi > seen; grep -q Hello seen && [ $(wc -l < seen) = 4 ] || exit 1
echo more >> fetched.txt; echo more >> packed/x; touch /tmp/mine
[ -e state ] && { cp state result; exit 0; }
echo half > state; echo half > result; exit $CODE
"""


@pytest.fixture
def steps(jobwrap, nginx, tmp_path):
    """Runs the step; code: with which it says that it took a checkpoint."""
    (nginx.root / "fetched.txt").write_text("fetched\n")
    (tmp_path / "x").write_text("packed\n")
    with tarfile.open(nginx.root / "packed.tar", "w") as archive:
        archive.add(tmp_path / "x", "x")
    (jobwrap.scratch / "sent.txt").write_text("sent\n")
    words = (
        *("--image", "htc/debian:12", "--input", "sent.txt", "--input", f"{nginx.url}/fetched.txt"),
        *("--input", f"packed={nginx.url}/packed.tar", "--unpack", "packed"),
        *("--input", "hi=/cvmfs/data.example.org/reference/hello.txt"),
        *("--output", f"result=file://{tmp_path}/delivered", "--output-on", "always"),
    )

    def run(code):
        return jobwrap.run(*words, "--env", f"CODE={code}", "--", "sh", "-c", STEP)

    run.delivered = tmp_path / "delivered"
    return run


@pytest.mark.node
@pytest.mark.parametrize("code", [85, 77])
def test_a_checkpoint_is_no_end_and_the_next_start_works_with_what_it_finds(jobwrap, steps, code):
    if code == 77:
        (jobwrap.scratch / ".job.ad").write_text(AD)
        jobwrap.environment["_CONDOR_JOB_AD"] = str(jobwrap.scratch / ".job.ad")
    first = steps(code)
    assert (first.code, first.record["end"]["failure"], first.record["end"]["checkpoint"]) == (
        code,
        None,
        True,
    )
    assert not steps.delivered.exists()
    second = steps(code)
    assert (second.code, second.record["end"]["failure"]) == (0, None)
    assert "checkpoint" not in second.record["end"]
    assert steps.delivered.read_text() == "half\n"
    if code == 77:
        earlier = json.loads((jobwrap.scratch / "jobwrap-record.1.json").read_text())
        assert earlier["id"] == first.record["id"]


@pytest.mark.node
def test_after_a_kill_the_next_start_works_with_what_it_finds(jobwrap, steps):
    first = jobwrap.start("--image", "htc/debian:12", "--", "sh", "-c", "touch /tmp/mine state; sleep 9999")
    while not (jobwrap.scratch / "state").exists():
        assert first.poll() is None
        time.sleep(0.02)
    first.kill()
    first.communicate()
    assert (jobwrap.scratch / ".jobwrap/tmp/mine").exists()
    (jobwrap.scratch / "state").write_text("half\n")
    deadline = time.monotonic() + 60
    while (second := steps(85)).code == 73:  # its keeper is still ending it
        assert time.monotonic() < deadline, second.stderr
    assert second.code == 0 and steps.delivered.read_text() == "half\n"
    assert not (jobwrap.scratch / ".jobwrap").exists()


def test_another_code_is_no_checkpoint(jobwrap):
    jobwrap.environment["_CONDOR_JOB_AD"] = str(jobwrap.scratch / "ad")
    (jobwrap.scratch / "ad").write_text(AD)
    assert jobwrap.run("--here", "--", "sh", "-c", "exit 85").record["end"]["failure"] == "task.failed"


def test_a_signal_of_that_number_is_no_checkpoint(jobwrap):
    ran = jobwrap.run("--checkpoint-exit-code", 137, "--here", "--", "sh", "-c", "kill -9 $$")
    assert ran.record["end"]["failure"] == "task.killed" and "checkpoint" not in ran.record["end"]


def test_a_checkpoint_that_was_taken_on_eviction_is_told_as_one(jobwrap):
    script = "trap 'exit 85' TERM; touch up; while :; do sleep 0.02; done"
    started = jobwrap.start("--here", "--", "sh", "-c", script)
    while not os.path.exists(jobwrap.scratch / "up"):
        assert started.poll() is None
        time.sleep(0.02)
    started.terminate()
    ran = jobwrap.end(started)
    assert (ran.code, ran.record["end"]["failure"], ran.record["end"]["checkpoint"]) == (
        85,
        "batch.terminated",
        True,
    )

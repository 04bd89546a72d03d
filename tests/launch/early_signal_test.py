"""What ends a job, or is for its task, while its container is still starting."""

import json
import signal

import pytest

from tests.run_test import wait_for

pytestmark = pytest.mark.node
DEBIAN = ("--image", "htc/debian:12")
# A runtime that takes its time. It swallows TERM, and of another signal it ends without a word.
SLOW = """#!/bin/sh
trap : TERM
touch starting
until [ -e go ]; do sleep 0.1; done
exec /usr/bin/apptainer "$@"
"""


@pytest.fixture
def slow(tmp_path):
    """The words that name a site's settings with a runtime that starts no container before it is told to."""
    (tmp_path / "apptainer").write_text(SLOW)
    (tmp_path / "apptainer").chmod(0o755)
    (tmp_path / "site.json").write_text(json.dumps({"node": {"runtime": str(tmp_path / "apptainer")}}))
    return ("--site", tmp_path / "site.json")


def start(jobwrap, *words):
    """A run whose task may start, as soon as its container stands."""
    started = jobwrap.start(*words, *DEBIAN, "--", "sh", "-c", "exec sleep 60")
    wait_for(lambda: (jobwrap.record() or {}).get("phase") == "task")
    wait_for((jobwrap.scratch / "starting").exists)
    return started


def stand(jobwrap, started):
    """Lets the container stand; the run's end."""
    (jobwrap.scratch / "go").touch()
    return jobwrap.end(started)


def test_a_users_signal_is_the_tasks_once_its_container_stands(jobwrap, slow):
    started = start(jobwrap, *slow)
    started.send_signal(signal.SIGUSR1)
    ran = stand(jobwrap, started)
    assert (ran.code, ran.record["end"]["of"], ran.record["end"]["failure"]) == (138, "task", "task.killed")


def test_what_ends_the_job_ends_it_before_the_grace_period_is_over(jobwrap, slow):
    started = start(jobwrap, *slow, "--grace", "60")
    started.terminate()
    ran = stand(jobwrap, started)
    assert (ran.code, ran.record["end"]["failure"]) == (143, "batch.terminated")


def test_the_end_of_its_time_is_the_tasks_too(jobwrap, slow):
    ran = stand(jobwrap, start(jobwrap, *slow, "--grace", "60", "--time", "0.001"))
    assert (ran.code, ran.record["end"]["of"], ran.record["end"]["failure"]) == (143, "task", "limit.time")


def test_a_container_that_does_not_stand_by_the_end_of_the_grace_period_is_killed(jobwrap, slow):
    started = start(jobwrap, *slow, "--grace", "0.5")
    started.terminate()
    ran = jobwrap.end(started)
    assert (ran.code, ran.record["end"]["failure"]) == (143, "batch.terminated")


def test_nor_is_one_waited_for_longer_when_the_time_is_over(jobwrap, slow):
    ran = jobwrap.end(start(jobwrap, *slow, "--grace", "0.5", "--time", "1"))
    assert (ran.code, ran.record["end"]["of"], ran.record["end"]["failure"]) == (137, "jobwrap", "limit.time")

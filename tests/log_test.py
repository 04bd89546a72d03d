"""The log, read back."""

import io
import json
import subprocess
import sys

import pytest

from jobwrap.log import Log
from jobwrap.record.redact import HIDDEN, Secrets
from tests.conftest import REPO

IDENTITY = {"job": "12.0", "run": "0123abcd"}


@pytest.fixture
def log():
    """Makes logs that are closed in the end."""
    made = []

    def log(call, secrets=()):
        made.append(Log(call, IDENTITY, Secrets(secrets)))
        return made[-1]

    yield log
    for each in made:
        each.close()


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_without_being_asked_it_says_warnings_and_failures_in_plain_words(log, capsys):
    asked = log({})
    asked.info("survey")
    asked.warning("the disk is nearly full")
    asked.error("the task failed")
    assert capsys.readouterr().err == "jobwrap: the disk is nearly full\njobwrap: the task failed\n"


def test_what_was_asked_for_is_told_with_and_without_a_log(log, capsys, tmp_path):
    log({}).tell("half of it is there")
    log({"log": str(tmp_path / "log")}).tell("all of it is there")
    assert capsys.readouterr().err == "jobwrap: half of it is there\njobwrap: all of it is there\n"
    verbose = log({"verbose": True})
    verbose.tell("said once")
    verbose.close()
    assert capsys.readouterr().err.count("said once") == 1


def test_quiet_is_nothing_but_failures(log, capsys):
    asked = log({"quiet": True})
    asked.warning("the disk is nearly full")
    asked.error("the task failed")
    assert capsys.readouterr().err == "jobwrap: the task failed\n"


def test_in_a_file_each_event_is_an_object_with_its_level_its_moment_and_the_jobs_identity(
    log, tmp_path, capsys
):
    asked = log({"log": str(tmp_path / "log")})
    asked.debug("why")
    asked.info("stage-in", inputs=3)
    asked.error("it failed", failure="site.scratch")
    first, second = lines(tmp_path / "log")
    assert {**first, "timestamp": ""} == {
        **IDENTITY,
        "event": "stage-in",
        "level": "info",
        "inputs": 3,
        "timestamp": "",
    }
    assert first["timestamp"] <= second["timestamp"]
    assert (second["level"], second["failure"]) == ("error", "site.scratch")
    assert capsys.readouterr().err == "jobwrap: it failed\n"


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_only_the_level_that_is_asked_for_is_logged(log, tmp_path, level, count):
    asked = log({"log": str(tmp_path / "log"), "log-level": level})
    for word in ("debug", "info", "warning", "error"):
        getattr(asked, word)(word)
    asked.open()
    assert [line["event"] for line in lines(tmp_path / "log")] == ["debug", "info", "warning", "error"][
        -count:
    ]


def test_on_stderr_an_event_is_one_readable_line(log, monkeypatch):
    stderr = io.StringIO()
    monkeypatch.setattr("sys.stderr", stderr)
    asked = log({"verbose": True})
    asked.info("stage-in", inputs=3)
    asked.error("it failed")
    first, second = stderr.getvalue().splitlines()
    assert "[info" in first and "stage-in" in first and "inputs=3" in first and "job=12.0" in first
    assert "it failed" in second and not second.startswith("jobwrap: ")


def test_no_secret_is_in_an_event_or_its_fields(log, tmp_path):
    asked = log({"log": str(tmp_path / "log")}, ["t0psecret"])
    asked.info("fetched with t0psecret", source="https://u:p@host/x?sig=1", words=["--token", "abc"])
    asked.open()
    (line,) = lines(tmp_path / "log")
    assert line["event"] == f"fetched with {HIDDEN}"
    assert (line["source"], line["words"]) == (f"https://host/x?{HIDDEN}", ["--token", HIDDEN])


def test_a_log_that_cannot_be_written_is_told_and_fails_nothing(log, tmp_path, capsys):
    asked = log({"log": str(tmp_path / "no/log")})
    asked.info("stage-in")
    asked.open()
    assert (
        capsys.readouterr().err
        == f"jobwrap: the log {tmp_path}/no/log cannot be written: No such file or directory\n"
    )


IMPORTED = """
import sys
sys.path.insert(0, sys.argv.pop(1))
from jobwrap.log import Log
from jobwrap.record.redact import Secrets
log = Log({"log": sys.argv[1]}, {}, Secrets())
log.info("survey")
before = "structlog" in sys.modules
log.open()
print(before, "structlog" in sys.modules)
"""


def test_structlog_is_not_imported_before_the_task_runs(tmp_path):
    words = [sys.executable, "-c", IMPORTED, str(REPO), tmp_path / "log"]
    assert subprocess.run(words, check=True, capture_output=True, text=True).stdout == "False True\n"
    assert lines(tmp_path / "log")[0]["event"] == "survey"


@pytest.mark.node
def test_a_run_logs_its_phases_and_how_it_ended(jobwrap, tmp_path):
    words = ("--log", tmp_path / "log", "--log-level", "debug", "--image", "htc/debian:12", "--", "sh", "-c")
    ran = jobwrap.run(*words, "exit 3")
    events = lines(tmp_path / "log")
    told = [event["event"] for event in events if event["level"] == "info"]
    assert told == ["survey", "plan", "launch", "stage-in", "task", "stage-out", "end"]
    assert any("is pinned to" in event["event"] for event in events if event["level"] == "debug")
    (error,) = (event for event in events if event["level"] == "error")
    assert (error["failure"], error["code"]) == ("task.failed", 3)
    assert {event["run"] for event in events} == {ran.record["id"][:8]}


@pytest.mark.node
def test_a_verbose_run_tells_the_phases_on_stderr(jobwrap):
    ran = jobwrap.run("-v", "--image", "htc/debian:12", "--", "true")
    assert [line.split("] ")[1].split()[0] for line in ran.stderr.splitlines()] == [
        *("survey", "plan", "launch", "stage-in", "task", "stage-out", "end")
    ]


def test_a_link_that_a_task_left_in_the_place_of_the_log_is_not_followed(log, tmp_path, capsys):
    (tmp_path / "log").symlink_to(tmp_path / "victim")
    log({"log": str(tmp_path / "log")})
    assert not (tmp_path / "victim").exists()
    assert "cannot be written" in capsys.readouterr().err

"""Secrets of a whole run: in the record, on stderr, in a traceback, in a dry run."""

import json
import sys

import pytest

from jobwrap.record.redact import HIDDEN
from tests.conftest import REPO

TOKEN = "t0ken-of-the-test"
WITH_A_DEFECT = """
import sys
sys.path.insert(0, sys.argv.pop(1))
import jobwrap.run
def look_around(*_):
    raise RuntimeError(f"no answer for {sys.argv[-1]}")
jobwrap.run.look_around = look_around
sys.exit(jobwrap.run.main(sys.argv[1:]))
"""


def test_a_defect_of_jobwraps_own_ends_in_a_record_and_a_traceback_without_secrets(jobwrap):
    jobwrap.program = [sys.executable, "-c", WITH_A_DEFECT, str(REPO)]
    ran = jobwrap.run("--here", "--", "echo", TOKEN, environ={"BEARER_TOKEN": TOKEN})
    assert (ran.code, ran.record["end"]["failure"]) == (70, "jobwrap.bug")
    assert ran.record["end"]["phase"] == "survey"
    assert f"RuntimeError: no answer for {HIDDEN}" in ran.record["end"]["sentence"]
    assert "Traceback" in ran.stderr
    assert TOKEN not in ran.stderr + json.dumps(ran.record)


@pytest.mark.node
def test_neither_record_nor_messages_have_a_secret_of_the_job(jobwrap):
    url = f"https://joe:{TOKEN}@127.0.0.1:1/x?sig={TOKEN}"
    words = ("--here", "--env", f"PASSWORD={TOKEN}", "--input", f"x={url}", "--", "sh", "--token", TOKEN)
    ran = jobwrap.run(*words, environ={"MY_SECRET": TOKEN})
    assert ran.record["end"]["failure"] == "input.unreachable"
    assert ran.record["job"]["environment"] == ["PASSWORD"]
    assert TOKEN not in ran.stderr + json.dumps(ran.record)


@pytest.mark.node
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_dry_run_shows_no_secret(jobwrap, form):
    words = ("--dry-run", *form, "--image", "htc/debian:12", "--env", f"DB_PASSWORD={TOKEN}")
    ran = jobwrap.run(*words, "--", "psql", f"--password={TOKEN}", "--token", TOKEN)
    assert ran.code == 0
    assert "DB_PASSWORD" in ran.stdout
    assert TOKEN not in ran.stdout + ran.stderr

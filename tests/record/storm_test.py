"""Signals at any moment, a full disk at any moment: a valid record that tells the phase, and nothing left.

JOBWRAP_FULL=1 in the environment runs the whole storm: 504 kills, 102 signals, 100 full disks.
"""

import collections
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from jobwrap.record.finish import RUNS, finish
from jobwrap.record.form import problems
from jobwrap.record.verb import read
from tests.conftest import REPO
from tests.record.storm import PHASES, Storm
from tests.run_test import wait_for
from tests.servers import serving

pytestmark = pytest.mark.node
FULL = bool(os.environ.get("JOBWRAP_FULL"))
TASK = "head -c 40000000 /dev/zero > out; exec sleep 0.1"


@pytest.fixture
def words(tmp_path):
    """A job that takes its time in each phase: an input over HTTP, an output of 40 MB."""
    with serving(tmp_path / "www") as server:
        (tmp_path / "www/in").write_bytes(bytes(20_000_000))
        yield (
            *("--image", "htc/debian:12", "--input", f"{server.url}/in"),
            *("--output", f"out={tmp_path}/delivered", "--grace", "1"),
            *("--", "sh", "-c", TASK),
        )


def is_gone(scratch):
    """No process of that run is left: its keeper has let go of the folder's lock, or the folder is gone."""
    held = subprocess.run(["flock", "-n", f"{scratch}/.jobwrap/lock", "true"], check=False)
    return held.returncode == 0 or not os.path.exists(f"{scratch}/.jobwrap")


def test_after_sigkill_in_any_phase_the_record_is_valid_and_tells_the_phase(jobwrap, words):
    storm, per_phase = Storm(jobwrap, words, seed=1), 84 if FULL else 3
    hit = collections.Counter()
    for aimed in PHASES * (per_phase * 6):
        if hit[aimed] >= per_phase:
            continue
        left = storm.end_in(aimed, [signal.SIGKILL])
        if left.code == 0:
            continue  # it was quicker
        hit[left.told[-1]] += 1
        # Between the two words of one phase, the record still has the phase before.
        if left.record is None:
            assert left.told == ("survey",)
            continue
        assert left.record["phase"] in (*left.told[-2:], "finished"), left
        assert (left.record["state"] == "lost") == (left.record["phase"] != "finished")
        wait_for(lambda: is_gone(jobwrap.scratch))
        assert finish(str(jobwrap.scratch), read) != RUNS
        assert problems(read(str(jobwrap.scratch))) == []
        shutil.rmtree(jobwrap.scratch)
    print(dict(hit))
    assert all(hit[phase] >= per_phase for phase in PHASES), hit
    # A look at the image holds no lock, and ends by itself when nobody hears it any more.
    running = ["pgrep", "-u", str(os.getuid()), "-f", "[a]pptainer|[s]leep 0.1"]
    wait_for(lambda: subprocess.run(running, check=False).returncode == 1)


@pytest.mark.parametrize(
    ("signals", "code"),
    [
        ((signal.SIGTERM,), 143),
        ((signal.SIGTERM, signal.SIGTERM), 143),
        ((signal.SIGHUP,), 129),
    ],
    ids=["TERM", "TERM twice", "HUP"],
)
def test_after_a_signal_in_any_phase_the_record_says_that_the_batch_system_ended_it(
    jobwrap, words, signals, code
):
    storm = Storm(jobwrap, words, seed=2)
    for aimed in PHASES * (6 if FULL else 1):
        left = storm.end_in(aimed, signals)
        assert left.record["state"] == "finished", left
        end = left.record["end"]
        assert (left.code, end["code"]) == (end["code"], left.code)
        if left.code == 0:  # the signal came when the task was done
            assert left.told == PHASES
            continue
        assert (end["failure"], left.code) in {("batch.terminated", code), ("batch.terminated", 137)}, left
        # Between the two words of one phase, the record still has the phase before.
        assert end["phase"] in (*left.told[-2:], aimed)
        assert not os.path.exists(jobwrap.scratch / ".jobwrap")
        assert "Traceback" not in left.stderr
        shutil.rmtree(jobwrap.scratch)


@pytest.mark.parametrize("where", ["--here", "--image=htc/debian:12"])
def test_with_the_disk_full_from_any_moment_on_the_last_word_is_there(tmp_path, where):
    disk = ["bwrap", "--dev-bind", "/", "/", "--proc", "/proc", "--size", "3000000", "--tmpfs", tmp_path]
    rounds = 50 if FULL else 4
    driver = [sys.executable, "-m", "tests.record.full_disk", tmp_path, where, str(rounds)]
    told = subprocess.run([*disk, *driver], cwd=REPO, check=True, stdout=subprocess.PIPE, text=True).stdout
    ended = [json.loads(line) for line in told.splitlines()]
    assert len(ended) == rounds
    for each in ended:
        assert each["record"], each
        assert problems(each["record"]) == []
        assert each["record"]["state"] == "finished"
        assert each["record"]["end"]["code"] == each["code"]
        assert "Traceback" not in each["stderr"]
        if each["filled"] == "by the task":
            assert (each["code"], each["in_place"]) == (9, True)
    assert {each["filled"] for each in ended} == {"before", "by the task"}
    print(collections.Counter((each["filled"], each["code"], each["in_place"]) for each in ended))

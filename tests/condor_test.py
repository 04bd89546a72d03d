"""jobwrap as the executable of an HTCondor job, on a real pool, with the submit file of docs/."""

import hashlib
import json
import random
import shutil
import subprocess

import jsonschema
import pytest

from tests import seen
from tests.conftest import REPO
from tests.run_test import wait_for as wait_until
from tests.servers import serving

pytestmark = pytest.mark.condor
EXAMPLE = REPO / "docs/examples/energy-scale"


def condor(*words, cwd=None):
    return subprocess.run([*map(str, words)], cwd=cwd, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def submit_side(tmp_path):
    """A folder as a user would submit from, with the shipped file in it."""
    folder = tmp_path / "submit"
    folder.mkdir()
    shutil.copy(REPO / "dist/jobwrap", folder)
    return folder


def submit(folder, text):
    (folder / "job.sub").write_text(text)
    return condor("condor_submit", "-terse", "job.sub", cwd=folder).split(" ")[0]


def wait_for(folder, seconds=600):
    condor("condor_wait", "-wait", seconds, folder / "job.log")


def record_of(path):
    record = json.loads(path.read_text())
    jsonschema.validate(record, json.loads((REPO / "jobwrap/record/schema.json").read_text()))
    return seen.record(record)


SIMPLE = """
executable = jobwrap
arguments = "{arguments}"
should_transfer_files = YES
when_to_transfer_output = ON_EXIT_OR_EVICT
output = job.out
error = job.err
log = job.log
queue
"""


def test_the_example_of_the_documentation_brings_its_result_and_its_record_back(submit_side, tmp_path):
    events = random.Random(1).randbytes(1 << 18)
    with serving(tmp_path / "www") as server:
        (tmp_path / "www/events.bin").write_bytes(events)
        for name in ("job.toml", "analysis.py", "job.sub"):
            shutil.copy(EXAMPLE / name, submit_side)
        url = f"{server.url}/events.bin#sha256:{hashlib.sha256(events).hexdigest()}"
        condor("condor_submit", f"events_url={url}", "job.sub", cwd=submit_side)
        wait_for(submit_side)
    assert (submit_side / "job.err").read_text() == ""
    assert json.loads((submit_side / "result.json").read_text())["events"] == len(events) // 4
    record = record_of(submit_side / "jobwrap-record.json")
    assert (record["end"]["of"], record["end"]["code"], record["end"]["failure"]) == ("task", 0, None)
    assert record["job"]["ids"]["ClusterId"]
    assert record["transfers"][0]["bytes"] == len(events)


def test_the_tasks_exit_code_is_the_jobs(submit_side):
    cluster = submit(submit_side, SIMPLE.format(arguments="--image htc/debian:12 -- sh -c 'exit 85'"))
    wait_for(submit_side)
    assert condor("condor_history", cluster, "-limit", "1", "-af", "ExitCode").strip() == "85"


def test_an_evicted_jobs_record_says_that_the_batch_system_ended_it(submit_side):
    (submit_side / "job.sh").write_text("test -e jobwrap-record.1.json && exit 0\nsleep 4714\n")
    text = SIMPLE.format(arguments="--image htc/debian:12 -- sh job.sh")
    cluster = submit(submit_side, text.replace("log =", "transfer_input_files = job.sh\nlog ="))
    # No command of the pool tells whether the task itself has begun, but it can be seen.
    task = ["pgrep", "-xf", "sleep 4714"]
    wait_until(lambda: subprocess.run(task, stdout=subprocess.DEVNULL, check=False).returncode == 0, 300)
    condor("condor_vacate_job", cluster)
    wait_for(submit_side)
    first = submit_side / "jobwrap-record.1.json"
    assert record_of(first)["end"]["failure"] == "batch.terminated"
    condor(submit_side / "jobwrap", "record", "finish", first)  # from the event log that the job ad names
    assert record_of(first)["end"]["failure"] == "batch.evicted"
    assert record_of(submit_side / "jobwrap-record.json")["end"]["failure"] is None


def test_a_checkpoint_is_transferred_and_the_job_goes_on_from_it(submit_side):
    (submit_side / "job.sh").write_text("[ -e half ] && { cat half; exit 0; }\necho half > half\nexit 77\n")
    text = SIMPLE.format(arguments="--image htc/debian:12 -- sh job.sh")
    more = "transfer_input_files = job.sh\ncheckpoint_exit_code = 77\nlog ="
    text = text.replace("log =", more).replace("ON_EXIT_OR_EVICT", "ON_EXIT")
    cluster = submit(submit_side, text)
    wait_for(submit_side)
    assert (
        condor("condor_history", cluster, "-limit", "1", "-af", "ExitCode", "NumJobStarts").strip() == "0 1"
    )
    assert (submit_side / "job.out").read_text() == "half\n"
    first, second = (record_of(submit_side / f"jobwrap-record{number}.json")["end"] for number in (".1", ""))
    assert (first["code"], first["failure"], first["checkpoint"]) == (77, None, True)
    assert (second["code"], second["failure"]) == (0, None)

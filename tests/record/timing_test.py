"""Where the time of a job went: in the record, and as the table of --timing."""

import http.server
import threading
import time

import pytest

from jobwrap.record.timing import lines
from tests.record.making import a_record

SPANS = ("before", "container_start", "held", "task", "container_end", "after")
DELAY = 4.0
TIMING = {
    **{"before": 0.05, "container_start": 0.1, "held": 0.02, "task": 1.5},
    **{"container_end": 0.01, "after": 0.03, "added": 0.1},
}
PHASES = [{"name": name, "seconds": 0.01} for name in ("survey", "plan", "launch", "stage-in", "stage-out")]


class Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(DELAY)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"42")

    def log_message(self, *_):
        pass


@pytest.fixture
def slow_url():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/data"
    server.shutdown()
    server.server_close()


def test_the_table_has_each_span_and_what_jobwrap_added():
    told = lines({"timing": TIMING, "phases": PHASES})
    assert [line.split("  ")[1] for line in told] == [
        "before the launch",
        "the container's start",
        "held for the inputs",
        "the task",
        "the container's end",
        "outputs and record",
        "all of it",
    ]
    assert told[0].endswith("0.050 s  jobwrap's: Python and imports 0.030, survey 0.010, plan 0.010")
    assert told[-1].endswith("1.710 s  jobwrap added 0.100")


def test_inputs_that_came_before_the_launch_count_as_before_it():
    told = lines({"timing": TIMING, "phases": [PHASES[3], *PHASES[:3], PHASES[4]]})
    assert "stage-in 0.010" in told[0] and "stage-in" not in told[2]


def test_where_no_task_ended_the_table_has_the_phases():
    record = a_record()
    assert "timing" not in record
    assert [line.split()[2] for line in lines(record)] == ["survey", "task"]


@pytest.mark.node
def test_the_spans_of_a_run_add_up_and_the_wait_for_inputs_is_not_the_container_s_start(jobwrap, slow_url):
    words = ("--timing", "--image", "htc/debian:12", "--input", f"data={slow_url}")
    ran = jobwrap.run(*words, "--", "sleep", "0.3")
    timing = ran.record["timing"]
    assert ran.code == 0
    assert timing["task"] >= 0.3
    assert timing["container_start"] + timing["held"] >= DELAY - 0.1  # one of the clocks is read later
    assert timing["held"] > 0.001
    in_the_record = sum(timing[name] for name in SPANS) - timing["before"]
    assert in_the_record <= ran.record["seconds"] <= in_the_record + timing["before"] + 0.01
    assert "jobwrap: where the time went" in ran.stderr.splitlines()


@pytest.mark.node
def test_a_task_that_was_killed_with_its_container_has_no_timing(jobwrap):
    words = ("--timing", "--time", "4", "--grace", "0", "--image", "htc/debian:12")
    ran = jobwrap.run(*words, "--", "sh", "-c", "trap '' TERM; sleep 60 & wait; wait")
    assert ran.record["end"]["failure"] == "limit.time"
    assert "timing" not in ran.record
    assert "the phase task" in ran.stderr

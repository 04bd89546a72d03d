"""Inputs of whole jobs: what they cost, what is told while they come, and what does not fit."""

import json
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.servers import serving

pytestmark = pytest.mark.node
DEBIAN = ("--image", "htc/debian:12")
CVMFS = "/cvmfs/data.example.org/reference/hello.txt"
FUSE = Path(__file__).parents[1] / "node/fuse_cvmfs.py"
# Whatever brings a file's bytes into a process or another file.
READING = "trace=read,pread64,readv,preadv,preadv2,sendfile,copy_file_range,splice,mmap,ioctl"


@pytest.mark.parametrize("runtime", ["apptainer", "bwrap"])
def test_an_input_on_the_node_costs_no_copy_whatever_its_size(jobwrap, tmp_path, runtime):
    large = tmp_path / "large"
    with open(large, "wb") as file:
        file.truncate(1 << 40)
    trace = tmp_path / "trace"
    jobwrap.program = ["strace", "-f", "--seccomp-bpf", "-y", "-e", READING, "-o", trace, *jobwrap.program]
    words = ("--runtime", runtime, "--input", f"large={large}", "--input", f"hello={CVMFS}")
    ran = jobwrap.run(*DEBIAN, *words, "--", "stat", "-c", "%s", "large", "hello")
    assert ran.stdout == f"{1 << 40}\n17\n"
    lines = trace.read_text(errors="replace").splitlines()
    assert len(lines) > 100
    assert [line for line in lines if f"<{large}>" in line or f"<{CVMFS}>" in line] == []
    assert "transfers" not in ran.record


def test_a_task_that_reads_its_input_is_seen_by_that_trace(jobwrap, tmp_path):
    (tmp_path / "small").write_text("content\n")
    trace = tmp_path / "trace"
    jobwrap.program = ["strace", "-f", "--seccomp-bpf", "-y", "-e", READING, "-o", trace, *jobwrap.program]
    ran = jobwrap.run(*DEBIAN, "--input", f"small={tmp_path}/small", "--", "cat", "small")
    assert ran.stdout == "content\n"
    assert "small>" in trace.read_text(errors="replace")


@pytest.fixture
def slow(tmp_path):
    with serving(tmp_path / "slow", server="limit_rate 1m;") as server:
        (server.root / "file").write_bytes(os.urandom(3 << 20))
        yield server


def seen(terminal):
    told = b""
    try:
        while block := os.read(terminal, 4096):
            told += block
    except OSError:
        pass  # nobody has the other end any more
    return told.decode()


def test_on_a_terminal_one_line_tells_rate_and_time_left(jobwrap, slow):
    ours, theirs = pty.openpty()
    started = jobwrap.start(*DEBIAN, "--progress", "--input", f"{slow.url}/file", "--", "true", stderr=theirs)
    os.close(theirs)
    told = seen(ours)
    os.close(ours)
    started.communicate()
    assert started.returncode == 0
    lines = [line for line in told.split("\r") if line.strip()]
    assert lines and "\n" not in told
    assert all(line.startswith("stage-in: 0 of 1 files, ") for line in lines)
    # Only the last, since before anything has come there is no time left to tell.
    assert re.match(r"stage-in: 0 of 1 files, \S+ [kM]B of 3\.1 MB, \S+ [kM]B/s, \d+ s left *$", lines[-1])


def test_elsewhere_a_line_now_and_then_goes_to_stderr_and_the_log(jobwrap, slow, tmp_path):
    (slow.root / "file").write_bytes(os.urandom(13 << 20))
    words = ("--progress", "--log", tmp_path / "log", "--input", f"{slow.url}/file")
    ran = jobwrap.run(*DEBIAN, *words, "--", "true")
    assert len(re.findall(r"^jobwrap: stage-in: 0 of 1 files, .* left$", ran.stderr, re.MULTILINE)) == 1
    logged = [json.loads(line)["event"] for line in (tmp_path / "log").read_text().splitlines()]
    assert sum(event.startswith("stage-in: 0 of 1 files") for event in logged) == 1


def test_an_input_that_is_more_than_the_job_asked_for_is_not_begun(jobwrap, slow):
    ran = jobwrap.run(*DEBIAN, "--disk", "2M", "--input", f"{slow.url}/file", "--", "true")
    assert ran.record["end"]["failure"] == "input.no_space"
    assert "that are allowed" in ran.stderr
    assert os.listdir(jobwrap.scratch) == ["jobwrap-record.json"]


def test_what_lies_in_scratch_already_counts_and_the_slots_word_goes_before_the_jobs(jobwrap, slow, tmp_path):
    (jobwrap.scratch / "sent").write_bytes(os.urandom(2 << 20))
    (tmp_path / "machine.ad").write_text("Disk = 4096\n")
    environ = {"_CONDOR_MACHINE_AD": str(tmp_path / "machine.ad")}
    words = (*DEBIAN, "--disk", "1G", "--input", f"{slow.url}/file", "--", "true")
    assert jobwrap.run(*words, environ=environ).record["end"]["failure"] == "input.no_space"
    (tmp_path / "machine.ad").write_text("Disk = 16384\n")
    assert jobwrap.run(*words, environ=environ).code == 0


def test_a_job_that_is_ended_while_it_fetches_leaves_nothing_partial(jobwrap, slow):
    started = jobwrap.start(*DEBIAN, "--input", f"{slow.url}/file", "--", "true")
    while not any(name.endswith(".part") for name in os.listdir(jobwrap.scratch)):
        time.sleep(0.02)
    started.terminate()
    ran = jobwrap.end(started)
    assert ran.record["end"]["failure"] == "batch.terminated"
    assert os.listdir(jobwrap.scratch) == ["jobwrap-record.json"]


def test_the_record_tells_of_each_transfer_and_of_the_places_that_did_not_serve(jobwrap, slow):
    (slow.root / "file").write_bytes(b"content")
    places = ("/none", f"{slow.url}/none", f"{slow.url}/file")
    words = [word for place in places for word in ("--input", f"data={place}")]
    ran = jobwrap.run(*DEBIAN, *words, "--", "cat", "data")
    assert ran.stdout == "content"
    (transfer,) = ran.record["transfers"]
    assert transfer["seconds"] > 0
    assert {name: transfer[name] for name in ("name", "source", "bytes", "attempts", "cache")} == {
        **{"name": "data", "source": f"{slow.url}/file", "bytes": 7, "attempts": 2, "cache": ""}
    }
    assert transfer["checksum"][0] == "sha256"
    assert transfer["skipped"] == [
        ["/none", "is not there"],
        [f"{slow.url}/none", "it answers 404 Not Found"],
    ]


def test_a_failure_tells_of_all_places(jobwrap, slow):
    words = ("--input", "data=/none", "--input", f"data={slow.url}/none")
    ran = jobwrap.run(*DEBIAN, *words, "--", "true")
    assert ran.record["end"]["failure"] == "input.not_found"
    assert "/none: is not there" in ran.stderr and "404" in ran.stderr


@pytest.fixture
def dead(tmp_path):
    """A mount that never answers."""
    mount, control = tmp_path / "mount", tmp_path / "control"
    mount.mkdir()
    control.write_text('{"mode": "hang"}')
    process = subprocess.Popen([sys.executable, FUSE, mount, control], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() == "mounted"
    yield mount
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_mount_that_hangs_costs_its_deadline_and_neither_the_input_nor_the_job(
    jobwrap, slow, dead, tmp_path
):
    (slow.root / "file").write_bytes(b"content")
    (tmp_path / "site.toml").write_text(f'[node]\ndeadline = "2s"\ncache = "{dead}/cache"\n')
    words = ("--input", f"data={dead}/file", "--input", f"data={slow.url}/file", "--", "cat", "data")
    ran = jobwrap.run("--site", tmp_path / "site.toml", *DEBIAN, *words)
    assert (ran.code, ran.stdout) == (0, "content")
    assert ran.record["transfers"][0]["skipped"] == [[f"{dead}/file", "did not answer"]]
    assert (
        f"the node's cache {dead}/cache is not used: {dead}/cache did not answer within 2 s"
        in ran.record["plan"]
    )


def test_an_input_on_a_mount_that_hangs_and_nowhere_else_is_charged_to_the_site(jobwrap, dead, tmp_path):
    (tmp_path / "site.toml").write_text('[node]\ndeadline = "1s"\n')
    words = ("--site", tmp_path / "site.toml", *DEBIAN, "--input", f"data={dead}/file", "--", "true")
    assert jobwrap.run(*words).record["end"]["failure"] == "site.cvmfs_hung"

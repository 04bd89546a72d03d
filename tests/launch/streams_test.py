"""The task's stdout and stderr: as they are, in files, cut off, and their last lines in the record."""

import os
import shutil
import signal
import subprocess
import time

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Job
from jobwrap.launch import streams
from jobwrap.launch.streams import Streams, Tap
from tests.run_test import wait_for

DEBIAN = ("--image", "htc/debian:12", "--")
BYTES = bytes(range(256)) * 4096


def carried(tap, text):
    """What a tap tells once these bytes have gone through it."""
    entry = os.dup(tap.entry)
    tap.start()
    left = memoryview(text)
    while left:
        left = left[os.write(entry, left) :]
    os.close(entry)
    tap.finish()
    return tap.told()


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        (None, {"bytes": len(BYTES)}),
        (len(BYTES), {"bytes": len(BYTES)}),
        (1000, {"bytes": len(BYTES), "dropped": len(BYTES) - 1000}),
        (0, {"bytes": len(BYTES), "dropped": len(BYTES)}),
    ],
)
def test_bytes_pass_as_they_are_up_to_the_limit(tmp_path, limit, told):
    with open(tmp_path / "out", "wb") as out:
        tap = Tap(out.fileno(), limit, 1)
        assert carried(tap, BYTES) == told
    assert (tmp_path / "out").read_bytes() == BYTES[:limit]
    assert BYTES.endswith(tap.tail)


def test_a_full_disk_is_told_and_does_not_stop_the_task():
    with open("/dev/full", "wb", buffering=0) as full:
        told = carried(Tap(full.fileno(), None, 1), BYTES)
    assert told == {"bytes": len(BYTES), "dropped": len(BYTES), "problem": "No space left on device"}


def test_a_task_whose_reader_has_gone_learns_it_as_if_it_wrote_there_itself():
    read, write = os.pipe()
    tap = Tap(write, None, 1)
    entry = os.dup(tap.entry)
    tap.start()
    os.close(read)
    os.write(entry, b"nobody reads this")
    wait_for(lambda: not tap._thread.is_alive())
    with pytest.raises(BrokenPipeError):
        os.write(entry, b"nor this")
    tap.finish()
    os.close(entry)
    os.close(write)


def test_one_who_never_reads_does_not_hold_the_end_up_for_ever(monkeypatch):
    monkeypatch.setattr(streams, "_PATIENCE", 0.2)
    read, write = os.pipe()
    os.set_blocking(write, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(write, bytes(4096))
    os.set_blocking(write, True)
    tap = Tap(write, None, 1)
    entry = os.dup(tap.entry)
    tap.start()
    os.write(entry, b"one more")
    os.close(entry)
    wait_for(lambda: tap._came)  # what is held up is its end, and not its beginning
    tap.finish()
    os.close(read)
    assert tap.told() == {"bytes": 8, "dropped": 8, "problem": "nobody read it"}


def test_a_process_that_keeps_the_pipe_open_does_not_hold_the_end_up(tmp_path):
    with open(tmp_path / "out", "wb") as out:
        tap = Tap(out.fileno(), None, 1)
        kept = os.dup(tap.entry)
        tap.start()
        os.write(kept, b"the last word")
        tap.finish()
    os.close(kept)
    assert (tmp_path / "out").read_bytes() == b"the last word"


def opened(tmp_path, *, append=False, **asked):
    return Streams(Job(("true",), scratch=str(tmp_path), **asked), append=append)


def test_both_streams_may_be_one_file_in_a_folder_that_is_made(tmp_path):
    both = opened(tmp_path, stdout="logs/all.txt", stderr="logs/all.txt")
    assert both.stdout == both.stderr
    os.write(both.stdout, b"out\n")
    os.write(both.stderr, b"err\n")
    assert (tmp_path / "logs/all.txt").read_text() == "out\nerr\n"
    assert both.finish()["stderr"] == {"file": "logs/all.txt", "bytes": 8}


@pytest.mark.parametrize(("append", "text"), [(False, "new"), (True, "oldnew")])
def test_a_file_is_emptied_unless_the_same_job_starts_again(tmp_path, append, text):
    (tmp_path / "out").write_text("old")
    made = opened(tmp_path, append=append, stdout="out", last_lines=5)
    os.write(made.stdout, b"new")
    assert (tmp_path / "out").read_text() == text
    assert made.finish()["stdout"] == {"file": "out", "bytes": 3, "last_lines": ["new"]}


@pytest.mark.parametrize("path", ["link", "folder/out", "fifo", "file/out", "."])
def test_what_leads_elsewhere_or_is_no_plain_file_is_refused(tmp_path, path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/out").write_text("dear")
    (tmp_path / "link").symlink_to("elsewhere/out")
    (tmp_path / "folder").symlink_to("elsewhere")
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(JobwrapError) as refused:
        opened(tmp_path, stdout=path)
    assert refused.value.failure.name == "job.usage"
    assert f"the file {path} for the task's output cannot be opened: " in refused.value.sentence
    assert (tmp_path / "elsewhere/out").read_text() == "dear"


@pytest.mark.parametrize(
    "limit", [{"stdout_limit": 5}, {"stderr_limit": 5}, {"stdout_limit": 5, "stderr_limit": 9}]
)
def test_a_limit_of_one_file_for_both_is_one_and_the_order_stays(tmp_path, limit):
    both = opened(tmp_path, stdout="all", stderr="all", last_lines=3, **limit)
    out, err = os.dup(both.stdout), os.dup(both.stderr)
    both.started()
    for number, stream in enumerate((out, err) * 3):
        os.write(stream, b"%d\n" % number)
    os.close(out)
    os.close(err)
    told = both.finish()
    assert (tmp_path / "all").read_text() == "0\n1\n2"
    assert told["stderr"] == {"file": "all", "bytes": 12, "dropped": 7, "last_lines": ["3", "4", "5"]}


@pytest.mark.node
def test_both_streams_in_one_pipe_keep_their_order_and_their_last_lines(jobwrap):
    script = "for n in 1 2 3 4 5; do echo out $n; echo err $n >&2; done"
    words = ("--last-lines", "2", *DEBIAN, "sh", "-c", script)
    told = jobwrap.start(*words, stderr=subprocess.STDOUT).communicate(timeout=60)[0].decode()
    assert told == "".join(f"out {n}\nerr {n}\n" for n in range(1, 6))
    assert jobwrap.record()["streams"]["stdout"]["last_lines"] == ["out 5", "err 5"]


@pytest.mark.node
def test_without_being_asked_the_tasks_streams_are_jobwraps_own(jobwrap, tmp_path):
    with open(tmp_path / "out", "wb") as out:
        words = (*DEBIAN, "stat", "-L", "-c", "%i", "/proc/self/fd/1")
        jobwrap.start(*words, stdout=out).communicate(timeout=60)
        assert int((tmp_path / "out").read_text()) == os.fstat(out.fileno()).st_ino
    assert "streams" not in jobwrap.record()


@pytest.mark.node
@pytest.mark.parametrize("runtime", ["apptainer", "bwrap"])
def test_files_hold_what_the_task_wrote_and_go_where_outputs_go(jobwrap, tmp_path, runtime):
    words = ("--stdout", "out.txt", "--stderr", "err.txt", "--output", f"out.txt={tmp_path}/kept.txt")
    ran = jobwrap.run(*words, "--runtime", runtime, *DEBIAN, "sh", "-c", "echo out; echo err >&2")
    assert (ran.code, ran.stdout, ran.stderr) == (0, "", "")
    assert (jobwrap.scratch / "err.txt").read_text() == "err\n"
    assert (tmp_path / "kept.txt").read_text() == "out\n"
    assert ran.record["streams"]["stdout"] == {"file": "out.txt", "bytes": 4}


@pytest.mark.node
def test_what_is_beyond_the_limit_is_dropped_and_told_and_the_task_goes_on(jobwrap):
    words = ("--stdout-limit", "1k", *DEBIAN, "sh", "-c", "head -c 300000000 /dev/zero; echo done >&2")
    ran = jobwrap.run(*words)
    assert (ran.code, ran.stdout) == (0, "\0" * 1024)
    assert ran.stderr == "done\njobwrap: 299998976 bytes of the task's stdout were dropped\n"
    assert ran.record["streams"] == {"stdout": {"bytes": 300_000_000, "dropped": 299_998_976}}


@pytest.mark.node
def test_last_lines_of_a_pipe_are_in_the_record_and_judged(jobwrap):
    script = "echo a; echo b; echo c; echo 'x: No space left on device' >&2; exit 1"
    ran = jobwrap.run("--last-lines", "2", *DEBIAN, "sh", "-c", script)
    assert ran.stdout == "a\nb\nc\n"
    assert ran.record["streams"]["stdout"]["last_lines"] == ["b", "c"]
    assert ran.record["end"]["evidence"] == ["it wrote: x: No space left on device"]


@pytest.mark.node
def test_last_lines_of_a_terminal_are_in_the_record_and_on_the_terminal(jobwrap):
    ours, theirs = os.openpty()
    words = ("--last-lines", "1", *DEBIAN, "sh", "-c", "echo first >&2; echo last >&2")
    jobwrap.start(*words, stderr=theirs).communicate(timeout=60)
    os.close(theirs)
    shown = b""
    while not shown.endswith(b"last\r\n"):  # then, a terminal that nobody writes to is an error to read
        shown += os.read(ours, 4096)
    assert shown == b"first\r\nlast\r\n"
    os.close(ours)
    assert jobwrap.record()["streams"]["stderr"] == {"bytes": 11, "last_lines": ["last"]}


@pytest.mark.node
def test_no_secret_is_in_the_last_lines_of_the_record(jobwrap):
    words = ("--last-lines", "1", *DEBIAN, "sh", "-c", "echo password=t0psecret1")
    ran = jobwrap.run(*words, environ={"DB_PASSWORD": "t0psecret1"})
    assert "t0psecret1" not in str(ran.record["streams"])


@pytest.mark.node
@pytest.mark.parametrize("where", [DEBIAN, ("--here", "--")])
def test_daemons_that_keep_the_pipe_and_a_killed_task_lose_no_byte_and_leave_nothing(jobwrap, where):
    script = "setsid sleep 987 & head -c 5000000 /dev/zero; kill -9 $$"
    ran = jobwrap.run("--last-lines", "1", *where, "sh", "-c", script)
    assert (ran.code, len(ran.stdout)) == (137, 5_000_000)
    assert subprocess.run(["pgrep", "-f", "[s]leep 987"], check=False).returncode == 1


@pytest.mark.node
def test_a_stop_loses_nothing_and_a_kill_of_jobwrap_ends_the_task(jobwrap):
    words = ("--last-lines", "1", *DEBIAN, "sh", "-c", "yes 2>&1 | head -n 3000000; exec sleep 986")
    running = jobwrap.start(*words, stderr=subprocess.DEVNULL)
    assert os.read(running.stdout.fileno(), 2) == b"y\n"
    running.send_signal(signal.SIGSTOP)
    time.sleep(0.3)
    running.send_signal(signal.SIGCONT)
    count = 1
    while count < 3_000_000:
        count += os.read(running.stdout.fileno(), 1 << 16).count(b"\n")
    running.kill()
    running.communicate(timeout=60)
    wait_for(lambda: subprocess.run(["pgrep", "-f", "[s]leep 986"], check=False).returncode == 1)


@pytest.mark.node
def test_a_checkpointed_job_goes_on_in_its_file(jobwrap, tmp_path):
    (tmp_path / "ad").write_text('ClusterId = 3\nProcId = 0\nGlobalJobId = "schedd#3.0#1"\n')
    for _ in range(2):
        words = (
            "--stdout",
            "out.txt",
            "--record",
            "jobwrap-record.json",
            *DEBIAN,
            "sh",
            "-c",
            "echo more; exit 85",
        )
        ran = jobwrap.run(*words, environ={"_CONDOR_JOB_AD": str(tmp_path / "ad")})
        assert ran.code == 85
    assert (jobwrap.scratch / "out.txt").read_text() == "more\nmore\n"
    shutil.rmtree(jobwrap.scratch)

"""A jobwrap that ends by the task's own signal."""

import os
import resource
import signal

import pytest

HERE = ("--reraise", "--here", "--")


@pytest.mark.parametrize(
    "number", [signal.SIGHUP, signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM]
)
def test_jobwrap_ends_by_the_tasks_signal_once_the_record_is_finished(jobwrap, number):
    ran = jobwrap.run(*HERE, "sh", "-c", f"ulimit -c 0; echo said; kill -{int(number)} $$")
    assert (ran.code, ran.stdout) == (-number, "said\n")
    assert (ran.record["end"]["signal"], ran.record["end"]["failure"]) == (number, "task.killed")
    assert sorted(os.listdir(jobwrap.scratch)) == ["jobwrap-record.json"]


def test_jobwrap_itself_dumps_no_core(jobwrap):
    unlimited = resource.getrlimit(resource.RLIMIT_CORE)[1]
    words = (*HERE, "sh", "-c", "ulimit -c 0; kill -ABRT $$")
    started = jobwrap.start(
        *words, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (unlimited, unlimited))
    )
    _, status = os.waitpid(started.pid, 0)
    assert os.WTERMSIG(status) == signal.SIGABRT and not os.WCOREDUMP(status)
    started.returncode = -signal.SIGABRT
    jobwrap.end(started)


@pytest.mark.parametrize("code", [0, 3, 143])
def test_an_exit_code_stays_one(jobwrap, code):
    assert jobwrap.run(*HERE, "sh", "-c", f"exit {code}").code == code


def test_a_failure_of_jobwraps_own_keeps_its_code(jobwrap):
    assert jobwrap.run(*HERE, "no-such-program").code == 127


def test_as_the_first_process_of_a_namespace_it_ends_with_the_code(jobwrap):
    jobwrap.program = [
        "unshare",
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--mount-proc",
        *jobwrap.program,
    ]
    assert jobwrap.run(*HERE, "sh", "-c", "kill -9 $$").code == 137

"""A job that is suspended: SIGTSTP stops the task and jobwrap, SIGCONT lets both go on."""

import signal
import time

import psutil
import pytest

from jobwrap.launch.tree import find_below
from tests.launch.conftest import wait_for

pytestmark = pytest.mark.node
# A tree that a job control's own signal would not stop: it ignores SIGTSTP, in sessions of its own. It ends
# with 3 on SIGUSR1, and starts no process meanwhile: who waits in vfork(2) is not shown as stopped.
WAITING = """trap '' TSTP; setsid sh -c 'sleep 9999 & sleep 9999' & (setsid sleep 9999 &); sleep 9999 &
trap 'exit 3' USR1; touch up; while :; do wait; done"""


def states(started):
    """Of jobwrap and all below its only child, the keeper; without the dead, whom nobody waits for.

    Nor that of who serves a SIF's files, and goes on.
    """
    (keeper,) = psutil.Process(started.pid).children()
    all_of_it = [psutil.Process(pid) for pid in (started.pid, *find_below(keeper.pid).pids)]
    states = [each.status() for each in all_of_it if each.name() != "squashfuse_ll"]
    assert len(states) > 4
    return set(states) - {psutil.STATUS_ZOMBIE}


def begin(task, *words, before=""):
    """The tree, once all four in it have become what they will be."""
    started = task.start_until("up", *words, "--", "sh", "-c", before + WAITING)
    wait_for(lambda: (names := list(names_below(started.pid))).count("sleep") == 4 and "touch" not in names)
    return started


def names_below(pid):
    for each in find_below(pid).pids:
        try:
            yield psutil.Process(each).name()
        except psutil.NoSuchProcess:
            pass


def stop(started):
    started.send_signal(signal.SIGTSTP)
    wait_for(lambda: states(started) == {psutil.STATUS_STOPPED}, 20)


def test_a_stopped_job_stands_still_whole_and_goes_on_to_its_right_end(task):
    started = begin(task)
    for _ in range(2):
        stop(started)
        time.sleep(0.3)
        assert states(started) == {psutil.STATUS_STOPPED}
        started.send_signal(signal.SIGCONT)
        wait_for(lambda: psutil.STATUS_STOPPED not in states(started))
    started.send_signal(signal.SIGUSR1)
    ran = task.jobwrap.end(started)
    assert (ran.code, ran.record["end"]["failure"]) == (3, "task.failed")
    assert 0.6 <= ran.record["usage"]["stopped_seconds"] < ran.record["usage"]["seconds"]


@pytest.mark.parametrize("task", ["apptainer SIF"], indirect=True)
def test_a_task_that_waits_for_files_of_its_image_is_stopped_too(task):
    """Were their server stopped before they came, it would wait for them instead."""
    started = begin(task, before="(while :; do echo /*/* /usr/*/* >/dev/null; done) & ")
    for _ in range(5):
        stop(started)
        started.send_signal(signal.SIGCONT)
        wait_for(lambda: psutil.STATUS_STOPPED not in states(started))
    started.send_signal(signal.SIGUSR1)
    assert task.jobwrap.end(started).code == 3


def test_stopped_time_is_no_wall_time(task):
    started = begin(task, "--time", "5")
    stop(started)
    time.sleep(5.5)
    started.send_signal(signal.SIGUSR1)
    started.send_signal(signal.SIGCONT)
    assert task.jobwrap.end(started).record["end"]["failure"] == "task.failed"


def test_time_that_the_task_runs_between_two_stops_is_wall_time(task):
    started = begin(task, "--time", "4", "--grace", "0.2")
    stop(started)
    time.sleep(0.5)
    started.send_signal(signal.SIGCONT)
    ran = task.jobwrap.end(started)
    assert ran.record["end"]["failure"] == "limit.time"
    assert ran.record["usage"]["seconds"] - ran.record["usage"]["stopped_seconds"] >= 4


@pytest.mark.parametrize("order", [(signal.SIGTERM, signal.SIGCONT), (signal.SIGCONT, signal.SIGTERM)])
def test_a_stopped_task_that_is_ended_goes_on_and_gets_the_signal(task, order):
    started = begin(task, "--grace", "30", before="trap 'echo got TERM; exit 3' TERM; ")
    stop(started)
    for number in order:
        started.send_signal(number)
    ran = task.jobwrap.end(started)
    assert (ran.code, ran.stdout, ran.record["end"]["failure"]) == (3, "got TERM\n", "batch.terminated")


def test_the_grace_period_stands_still_too(task):
    started = begin(task, "--grace", "4", before="trap '' TERM; ")
    started.terminate()
    stop(started)
    time.sleep(4.5)
    started.send_signal(signal.SIGUSR1)
    started.send_signal(signal.SIGCONT)
    assert task.jobwrap.end(started).code == 3


def test_sigkill_of_a_stopped_jobwrap_ends_the_stopped_task(task):
    started = begin(task)
    stop(started)
    task.kill(started)


def test_sigcont_alone_wakes_a_task_that_others_stopped(task):
    started = begin(task)
    for pid in find_below(started.pid).pids:
        psutil.Process(pid).suspend()
    started.send_signal(signal.SIGCONT)
    wait_for(lambda: psutil.STATUS_STOPPED not in states(started))
    started.send_signal(signal.SIGUSR1)
    assert task.jobwrap.end(started).code == 3

"""Whoever is killed, whenever: the end is told as it was, and no process, mount or file is left."""

import os
import signal
import time

import psutil
import pytest

from jobwrap.launch.tree import find_below
from tests.launch.conftest import Task, nothing_left, wait_for

pytestmark = pytest.mark.node
# A task with a child that it waits for, a daemon in a session of its own and one that was orphaned.
FAMILY = "setsid sleep 9999 & (setsid sh -c 'trap \"\" TERM; sleep 9999' &); touch up; sleep 9999; exit 3"
TRAPPING = "trap 'exit 5' TERM; setsid sleep 9999 & touch up; sleep 9999 & while :; do wait; done"


def sh(script):
    return ("--", "sh", "-c", script)


def children(pid):
    return psutil.Process(pid).children()


def runtime_of(started):
    (keeper,) = children(started.pid)
    return min(children(keeper.pid), key=lambda child: child.create_time())


def ended(ran):
    return ran.code, ran.record["end"]["failure"]


# bubblewrap hands no signal on: it ends, and all with it.
def by_its_runtime(task, handed_on):
    return (137, "task.killed") if task.way == "bwrap" else handed_on


def test_term_of_the_runtime_is_the_tasks(task):
    started = task.start_until("up", *sh(FAMILY))
    runtime_of(started).terminate()
    assert ended(task.jobwrap.end(started)) == by_its_runtime(task, (143, "task.killed"))


def test_a_task_that_catches_the_runtimes_term_ends_with_its_own_code(task):
    started = task.start_until("up", *sh(TRAPPING))
    runtime_of(started).terminate()
    assert ended(task.jobwrap.end(started)) == by_its_runtime(task, (5, "task.failed"))


@pytest.mark.parametrize("kill", [os.kill, os.killpg], ids=["process", "group"])
def test_sigkill_of_the_runtime_ends_all(task, kill):
    started = task.start_until("up", *sh(FAMILY))
    kill(runtime_of(started).pid, signal.SIGKILL)
    assert ended(task.jobwrap.end(started)) == (137, "task.killed")


def test_sigkill_of_the_keeper_ends_all(task):
    started = task.start_until("up", *sh(FAMILY))
    task.patience = 0.0 if task.way == "here" else 30.0
    children(started.pid)[0].kill()
    assert ended(task.jobwrap.end(started)) == (137, "task.killed")


def test_without_a_container_what_a_task_had_orphaned_ends_although_it_kills_the_keeper(jobwrap, images):
    daemon = "(setsid sh -c 'trap \"\" TERM HUP; touch up; while :; do sleep 0.1; done' &)"
    kill = "while [ ! -e up ]; do :; done; kill -9 $(cut -d' ' -f4 /proc/$PPID/stat); sleep 9999"
    task = Task("here", jobwrap, images)
    assert task(*sh(f"{daemon}; {kill}"))[0] == 137
    assert nothing_left(task.before) == {}


@pytest.mark.parametrize("name", ["", "squashfuse"], ids=["at once", "with its helper"])
def test_sigkill_of_a_runtime_that_is_still_starting_leaves_nothing_of_it(job, name):
    """A SIF's file system is served by a process of the runtime's, which could outlive it."""
    if name and "SIF" not in job.way:
        pytest.skip("it has none")
    started = job.start("--", "true")
    wait_for(lambda: started.poll() is not None or name in " ".join(names_below(started)))
    try:
        runtime_of(started).kill()
    except (psutil.NoSuchProcess, ValueError):
        pass  # it was too fast
    assert job.jobwrap.end(started).code in (0, 71, 137)


def names_below(started):
    """Below the keeper."""
    for keeper in children(started.pid):
        for pid in find_below(keeper.pid).pids:
            try:
                yield psutil.Process(pid).name()
            except psutil.NoSuchProcess:
                pass


def test_sigkill_of_jobwrap_at_any_moment_leaves_nothing(task):
    moments = [0.03 * step for step in range(1, 16)]
    for moment in moments:
        started = task.start(*sh("setsid sleep 9999 & sleep 0.1"))
        time.sleep(moment)
        task.kill(started)
        record = task.jobwrap.record()
        assert record is None or record["state"] in ("lost", "finished")


def test_a_thousand_processes_that_a_task_leaves_are_gone(task):
    script = "i=0; while [ $i -lt 1000 ]; do sleep 9999 & i=$((i+1)); done; exit 3"
    assert task(*sh(script))[0] == 3

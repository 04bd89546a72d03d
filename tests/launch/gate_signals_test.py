"""Signals on their way through the gate."""

import signal
import time

import pytest

from tests.launch.gate_test import WAYS
from tests.launch.gated import Gated, run

pytestmark = pytest.mark.node
HANDED_ON = ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "CONT", "WINCH", "ALRM", "TSTP", "RTMIN", "RTMAX")
# One place where the gate is an ordinary process, one where it is the first of its namespace.
PLACES = ("apptainer", "bwrap-as-pid-1")


def waiting_for(name: str) -> list[str]:
    """A task that says "ready", and ends with 3 when it gets the signal."""
    number = int(getattr(signal, f"SIG{name}"))
    return ["sh", "-c", f"trap 'exit 3' {number}; echo ready; while :; do sleep 0.02; done"]


def state_of(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0]


def when_ready(task: Gated) -> Gated:
    task.gate.open([])
    assert task.process.stdout.readline() == b"ready\n"
    task.hear_until(lambda said: said.opened)
    return task


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", HANDED_ON)
def test_a_signal_to_the_gate_reaches_the_task(place, name):
    with Gated(waiting_for(name), WAYS[place]) as task:
        when_ready(task)
        assert task.gate.signal(getattr(signal, f"SIG{name}"))
        assert task.end().said.status == 3 << 8


@pytest.mark.parametrize("place", ["alone", "apptainer", "apptainer-no-init", "nested"])
@pytest.mark.parametrize("name", ["TERM", "INT", "USR1"])
def test_a_signal_to_what_was_started_reaches_the_task(place, name):
    with Gated(waiting_for(name), WAYS[place]) as task:
        when_ready(task).process.send_signal(getattr(signal, f"SIG{name}"))
        assert task.end().said.status == 3 << 8


@pytest.mark.parametrize("place", PLACES)
def test_a_signal_ends_a_task_that_does_not_handle_it(place):
    with Gated(["sh", "-c", "echo ready; exec sleep 60"], WAYS[place]) as task:
        assert when_ready(task).gate.signal(signal.SIGTERM)
        ended = task.end()
    assert (ended.said.status, ended.code) == (signal.SIGTERM, 128 + signal.SIGTERM)


@pytest.mark.parametrize("place", ["alone", *PLACES])
def test_a_signal_that_comes_before_the_task_waits_for_it(place):
    with Gated(["sleep", "60"], WAYS[place]) as task:
        task.hear_until(lambda said: said.started)
        assert task.gate.signal(signal.SIGTERM)
        task.gate.open([])
        assert task.end().said.status == signal.SIGTERM


def test_a_signal_to_a_stopped_gate_is_not_lost():
    with Gated(waiting_for("TERM")) as task:
        when_ready(task)
        for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGCONT):
            assert task.gate.signal(number)
        assert task.end().said.status == 3 << 8


def test_two_hundred_signals_do_not_upset_the_end():
    with Gated(["sh", "-c", "trap : USR1; echo ready; sleep 1; sleep 1; exit 4"]) as task:
        when_ready(task)
        for _ in range(200):
            assert task.gate.signal(signal.SIGUSR1)
        assert task.end().said.status == 4 << 8


def test_a_signal_after_the_end_goes_nowhere():
    with Gated(["true"]) as task:
        task.gate.open([])
        task.hear_until(lambda said: said.status is not None)
        assert task.gate.signal(signal.SIGTERM) is False
        task.end()


# coreutils' env stands for a launcher that leaves signals ignored and blocked.
LEFT_SO = ("env", "--ignore-signal=HUP,INT,PIPE,TERM,CHLD", "--block-signal=CHLD,TERM,USR1")


@pytest.mark.parametrize(
    "runtime", [LEFT_SO, WAYS["apptainer"], WAYS["bwrap"]], ids=["left so", "apptainer", "bwrap"]
)
def test_no_signal_is_blocked_or_ignored_in_the_task(runtime):
    lines = run(["cat", "/proc/self/status"], runtime=runtime).stdout.decode().splitlines()
    masks = dict(line.split(":\t") for line in lines if line.startswith("Sig") and ":\t" in line)
    assert {masks[name] for name in ("SigBlk", "SigIgn", "SigCgt", "SigPnd")} == {"0" * 16}


def test_the_end_is_told_when_its_launcher_ignored_the_ends_of_children():
    assert run(["sh", "-c", "exit 9"], runtime=LEFT_SO).said.status == 9 << 8


def test_a_task_that_stops_itself_goes_on_with_cont():
    with Gated(["sh", "-c", "echo ready; kill -STOP $$; exit 8"]) as task:
        when_ready(task)
        with open(f"/proc/{task.gate.pid}/task/{task.gate.pid}/children") as file:
            stopped = int(file.read())
        while state_of(stopped) != "T":
            time.sleep(0.01)
        assert task.gate.said.status is None
        assert task.gate.signal(signal.SIGCONT)
        assert task.end().said.status == 8 << 8

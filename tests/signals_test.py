"""A signal ends the job wherever its code is, but for the middle of an import."""

import ctypes
import os
import signal
import sys
import time

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.launch import pause
from jobwrap.signals import ENDING, HANDED_ON, PAUSING, Signals

MODULE = """
import os, signal
os.kill(os.getpid(), signal.SIGHUP)
for _ in range(1000):
    pass
whole = True
"""


@pytest.fixture
def signals():
    numbers = (*ENDING, *HANDED_ON, *PAUSING, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    wake = signal.set_wakeup_fd(-1)
    yield Signals()
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.set_wakeup_fd(wake)
    for number, handler in before.items():
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@pytest.fixture
def done(monkeypatch):
    """What is done to the job: "stopped", "woken"."""
    done = []
    monkeypatch.setattr(pause, "pause", lambda *_: done.append("stopped") or 0.0)
    monkeypatch.setattr(pause, "resume", lambda *_: done.append("woken"))
    return done


def send(*numbers):
    """To ourselves, all of them before Python runs the first handler: it does not while map() works in C."""
    list(map(ctypes.CDLL(None).kill, [os.getpid()] * len(numbers), numbers))


def test_a_signal_is_raised_at_once_as_the_end_of_the_job(signals):
    with pytest.raises(JobwrapError) as ended:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
    assert ended.value.failure.name == "batch.terminated"


def test_an_import_is_finished_before_a_signal_ends_the_job(signals, tmp_path, monkeypatch):
    (tmp_path / "a_module_of_the_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(JobwrapError) as ended:
        import a_module_of_the_test

        time.sleep(10)
    assert ended.value.failure.name == "batch.terminated"
    assert sys.modules["a_module_of_the_test"].whole and signals.ended_by == signal.SIGHUP
    assert a_module_of_the_test.whole


def test_what_must_happen_whole_does_although_an_import_in_it_has_put_the_end_off(
    signals, tmp_path, monkeypatch
):
    (tmp_path / "another_module_of_the_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    done = False
    with pytest.raises(JobwrapError), signals:
        import another_module_of_the_test  # noqa: F401

        time.sleep(0.05)
        done = True
    assert done


def test_a_stop_that_sigcont_has_overtaken_is_not_carried_out(signals, done):
    send(signal.SIGTSTP, signal.SIGCONT)
    assert "stopped" not in done


def test_a_stop_that_comes_after_sigcont_is_carried_out(signals, done):
    send(signal.SIGCONT, signal.SIGTSTP)
    assert done[-1:] == ["stopped"]


def test_the_last_of_many_stops_and_wakings_counts(signals, done):
    send(*[signal.SIGTSTP, signal.SIGCONT] * 100)
    assert "stopped" not in done
    send(*[signal.SIGCONT, signal.SIGTSTP] * 100)
    assert done[-1:] == ["stopped"]


def test_a_stop_that_is_acted_on_only_after_a_later_sigcont_was_taken_is_not_carried_out(signals, done):
    late = signal.getsignal(signal.SIGTSTP)
    send(signal.SIGTSTP, signal.SIGCONT)
    late(signal.SIGTSTP, None)
    assert done == ["woken"]


def test_sigcont_alone_wakes(signals, done):
    send(signal.SIGCONT)
    signals.take()
    assert done == ["woken"]


def test_sigcont_that_comes_while_the_processes_are_stopped_one_by_one_is_not_lost(signals, monkeypatch):
    sent = []

    def send_below(_, number):
        if number == signal.SIGSTOP:
            os.kill(os.getpid(), signal.SIGCONT)
        sent.append(number)

    monkeypatch.setattr(pause.tree, "send_below", send_below)
    signals.keeper = os.getpid()
    send(signal.SIGTSTP)
    assert sent[0] == signal.SIGSTOP and sent[-1] == signal.SIGCONT

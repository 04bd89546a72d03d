"""A signal ends the job wherever its code is, but for the middle of an import."""

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
    wake = signal.set_wakeup_fd(-1)
    yield Signals()
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.set_wakeup_fd(wake)
    for number, handler in before.items():
        signal.signal(number, handler)


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


def test_a_stop_that_comes_while_all_are_still_being_woken_is_carried_out_too(signals, monkeypatch):
    stops = []

    def stopped(_keeper, wanted):
        stops.append(wanted())
        os.kill(os.getpid(), signal.SIGCONT)
        if len(stops) == 1:
            os.kill(os.getpid(), signal.SIGTSTP)
        return 1.0

    monkeypatch.setattr(pause, "pause", stopped)
    stood = []
    signals.stood = stood.append
    os.kill(os.getpid(), signal.SIGTSTP)
    assert (stops, stood) == ([True, True], [1.0, 1.0])

"""When samples are taken, what they cost, and what the record gets of them."""

import subprocess
import sys

import pytest

from jobwrap.launch.usage import account
from jobwrap.launch.usage.figures import Sample
from jobwrap.launch.usage.sampler import Sampler
from tests.launch.processes import READY, child, running

MIB = 1 << 20


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class FakeAccount:
    """Samples that cost as much CPU as they are told to."""

    costs = 0.0

    def __init__(self, *what):
        self.walks = []

    def take(self, at, walk):
        self.walks.append(walk)
        return Sample(at)

    def close(self):
        pass


def moments(clock, sampler, until, cost=lambda at: 0.0):
    """When samples are taken by one who always takes them when they are wanted."""
    taken = []
    while sampler.next_at < 1000 + until:
        clock.now = sampler.next_at
        taken.append(round(sampler.sample().at, 3))
        sampler.cost += cost(clock.now - 1000)
    return taken


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sampler(clock, monkeypatch):
    monkeypatch.setattr(account, "Account", FakeAccount)
    monkeypatch.setattr("time.process_time", lambda: 0.0)
    return Sampler(1, "/", clock=clock)


def test_samples_are_frequent_at_first_and_rare_later(clock, sampler):
    taken = moments(clock, sampler, 1000)
    assert taken[:10] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert taken[10:33] == [*range(15, 121, 5), 150]
    assert taken[33:] == [*range(180, 1000, 30)]


@pytest.mark.parametrize("cost", [0.0005, 0.005, 0.2])
def test_what_samples_cost_in_all_stays_below_a_thousandth_of_the_time(clock, sampler, cost):
    taken = moments(clock, sampler, 20_000, lambda at: cost)
    assert len(taken) * cost <= 20_000 / 1000 + 3 * cost
    assert len(taken) > 30


def test_one_costly_sample_makes_several_rarer_and_none_very_late(clock, sampler):
    taken = moments(clock, sampler, 20_000, lambda at: 0.5 if 1000 <= at < 1030 else 0.001)
    later = [at for at in taken if at > 1000]
    gaps = [second - first for first, second in zip(later, later[1:])]
    assert max(gaps) < 200
    assert sum(gap - 30 for gap in gaps) > 200


def test_the_walk_over_scratch_gets_its_part_of_the_time(clock, sampler):
    moments(clock, sampler, 300)
    walks = sampler._account.walks
    assert walks[0] == 1 / 2000
    assert walks[-1] == 30 / 2000


def test_closed_it_wants_no_more_samples(clock, sampler):
    sampler.sample()
    sampler.close()
    assert sampler.next_at == float("inf")


def test_before_the_first_sample_nothing_is_imported_and_there_is_no_result():
    program = """if True:
        import sys
        from jobwrap.launch.usage.sampler import Sampler
        sampler = Sampler(1, "/tmp")
        assert sampler.result() == {}
        sampler.close()
        print([name for name in sys.modules if name.startswith("jobwrap")])
        sampler.sample()
        print("psutil" in sys.modules)
    """
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    names = ["jobwrap", "jobwrap.launch", "jobwrap.launch.usage", "jobwrap.launch.usage.sampler"]
    assert told.splitlines() == [str(names), "False"]


def test_the_result_has_the_highest_figures_their_course_and_their_sources(tmp_path):
    program = f"""
import os, sys
x = bytearray(100 << 20)
open({str(tmp_path / "out")!r}, "wb").write(x[:20 << 20])
print("ready", flush=True)
sys.stdin.readline()
del x
os.unlink({str(tmp_path / "out")!r})
"""
    with running(child(program + READY)) as process:
        sampler = Sampler(process.pid, str(tmp_path))
        sampler.sample()
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()
        last = sampler.sample()
    result = sampler.result()
    assert last.memory < 50 * MIB < 100 * MIB <= result["peak_memory"]
    assert last.disk < MIB < 20 * MIB <= result["peak_disk"]
    assert 20 * MIB <= result["bytes_written"] < 21 * MIB
    assert (result["peak_processes"], result["peak_threads"], result["samples"]) == (1, 1, 2)
    assert set(result["sources"].values()) == {"/proc", "walk"}
    assert result["series"]["memory"] == [result["peak_memory"], last.memory]

"""The looks at a task: when, what is said, what is noted, and when they end it."""

import time

import pytest

from jobwrap.job.spec import Job
from jobwrap.launch.limits import Limits
from jobwrap.launch.usage.figures import Sample
from jobwrap.launch.watch import Watch
from jobwrap.node.slot import Slot
from jobwrap.settings import Settings

SLOT = Slot(cpus=1, memory=1000, disk=None, free_disk=None, free_inodes=None, source="")


class FakeSampler:
    """A second between any two samples; the n-th finds the n-th of `memories` in use."""

    def __init__(self, memories):
        self.memories, self.taken = list(memories), 0
        self.cost, self.last = 0.0, None
        self.next_at = time.monotonic()

    def sample(self):
        self.taken += 1
        self.last = Sample(float(self.taken), memory=self.memories[self.taken - 1])
        return self.last

    def result(self):
        return {"samples": self.taken}

    def close(self):
        self.next_at = float("inf")


@pytest.fixture
def watched():
    def watch(memories, over="warn"):
        said, noted = [], []
        limits = Limits(Job(("true",)), SLOT, Settings(over_memory=over))
        return Watch(FakeSampler(memories), limits, said.append, noted.append), said, noted

    return watch


def test_it_looks_only_when_it_is_time(watched):
    watch, _, _ = watched([1, 1])
    watch.due()
    watch._sampler.next_at = time.monotonic() + 100
    assert 99 < watch.left() <= 100
    watch.due()
    assert watch.usage() == {"samples": 1}
    watch.close()
    assert watch.left() == float("inf")


def test_a_task_over_its_limit_is_to_be_ended_once(watched):
    watch, said, _ = watched([100, 950, 1200, 1300], over="kill")
    assert [watch.due() for _ in range(4)] == [False, False, True, False]
    assert (watch.over.figure, watch.over.used, len(said)) == ("memory", 1200, 2)


def test_where_the_site_only_warns_the_record_has_it(watched):
    watch, said, _ = watched([1200])
    assert not watch.due()
    assert watch.over is None and len(said) == 1
    assert watch.usage()["crossed"] == [
        {"at": 1.0, "figure": "memory", "used": 1200, "granted": 1000, "ends": False}
    ]


def test_the_last_figures_are_noted_every_few_seconds(watched):
    watch, _, noted = watched([1] * 12)
    for _ in range(12):
        watch.due()
    assert [each["samples"] for each in noted] == [5, 10]

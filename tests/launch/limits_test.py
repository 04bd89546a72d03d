"""What is said and done about a task that uses more than it was granted."""

import pytest

from jobwrap.job.spec import Job
from jobwrap.launch.limits import Limits
from jobwrap.launch.usage.figures import Sample
from jobwrap.node.slot import Slot
from jobwrap.settings import Settings

GIB = 1 << 30
SLOT = Slot(cpus=1, memory=2 * GIB, disk=10 * GIB, free_disk=None, free_inodes=None, source="")
NO_SLOT = SLOT._replace(memory=None, disk=None)
JOB = Job(("true",))


def checked(limits, *memories):
    return [
        (crossed.used, crossed.ends)
        for memory in memories
        for crossed in limits.check(Sample(0, memory=memory))
    ]


def test_near_the_allowance_it_is_said_once_and_over_it_once_more():
    limits = Limits(JOB, SLOT, Settings())
    near, over = int(1.9 * GIB), 2 * GIB + 1
    assert checked(limits, GIB, near, near, GIB, near, over, over, near) == [(near, False), (over, False)]


def test_who_jumps_over_the_allowance_is_not_told_later_that_it_is_near():
    limits = Limits(JOB, SLOT, Settings())
    assert checked(limits, 3 * GIB, int(1.9 * GIB)) == [(3 * GIB, False)]


def test_the_whole_allowance_may_be_used():
    assert checked(Limits(JOB, SLOT, Settings(over_memory="kill")), 2 * GIB) == [(2 * GIB, False)]


@pytest.mark.parametrize(
    ("settings", "ends"),
    [
        (Settings(), {"memory": False, "disk": False}),
        (Settings(over_memory="kill"), {"memory": True, "disk": False}),
        (Settings(over_disk="kill"), {"memory": False, "disk": True}),
    ],
)
def test_the_site_says_whether_the_task_is_ended(settings, ends):
    crossed = Limits(JOB, SLOT, settings).check(Sample(0, memory=3 * GIB, disk=11 * GIB))
    assert {each.figure: each.ends for each in crossed} == ends


def test_what_was_granted_counts_before_what_was_asked_for():
    asking = JOB._replace(memory=GIB)
    assert checked(Limits(asking, SLOT, Settings()), int(1.5 * GIB)) == []
    assert checked(Limits(asking, NO_SLOT, Settings()), int(1.5 * GIB)) == [(int(1.5 * GIB), False)]


def test_without_an_allowance_or_a_figure_nothing_is_crossed():
    assert Limits(JOB, NO_SLOT, Settings()).check(Sample(0, memory=1 << 50, disk=1 << 50)) == []
    assert Limits(JOB, SLOT, Settings(over_memory="kill")).check(Sample(0)) == []


def test_the_sentences_have_the_figures():
    memory, disk = Limits(JOB, SLOT, Settings()).check(Sample(0, memory=int(1.9 * GIB), disk=11 * GIB))
    assert memory.sentence == "the task uses 1.9 GiB of memory, 94 % of the 2.0 GiB it was granted"
    assert disk.sentence == "the task uses 11.0 GiB of scratch disk, 110 % of the 10.0 GiB it was granted"
    assert memory.failure.failure.name == "limit.memory"
    assert disk.failure.failure.name == "limit.disk"
    assert "11.0 GiB" in disk.failure.sentence and "10.0 GiB" in disk.failure.sentence

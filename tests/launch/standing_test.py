"""When a container takes long to stand: asked now and then, given up when it never can."""

import time

from jobwrap.failures import JobwrapError
from jobwrap.launch import standing
from jobwrap.launch.standing import Standing


def test_nothing_is_asked_before_it_takes_long():
    never = Standing(lambda: 1 / 0, 60)
    assert 59 < never.left() <= 60
    assert never.problem() is None


def test_it_is_asked_again_after_each_while_and_waited_for_as_long_as_nothing_is_wrong(monkeypatch):
    asked, now = [], [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    wrong = JobwrapError("site.cvmfs_hung", path="/cvmfs/x", seconds=20)
    slow = Standing(lambda: asked.append(now[0]) or (wrong if now[0] > 150 else None), 20)
    for now[0] in (110, 120, 130, 140, 155, 160):
        told = slow.problem()
    assert (asked, told) == ([120, 140, 160], wrong)


def test_it_is_given_up_in_the_end_though_nothing_seems_wrong(monkeypatch):
    monkeypatch.setattr(standing, "_LONGEST", -1)
    error = Standing(lambda: None, 0).problem()
    assert (error.failure.name, "within -1 s" in error.sentence) == ("site.runtime_failed", True)

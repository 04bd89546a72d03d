"""The course of a task in a few points."""

import pytest

from jobwrap.launch.usage.figures import Sample, highest
from jobwrap.launch.usage.series import POINTS, Series


@pytest.mark.parametrize("count", [1, 59, 60, 61, 1000, 12_345])
def test_however_many_samples_the_points_are_few_and_nothing_high_is_lost(count):
    series = Series()
    for at in range(count):
        series.add(Sample(float(at), cpu=at * 2.0, memory=at * 7919 % 10_007, processes=None))
    columns = series.columns()
    assert min(count, POINTS // 2) <= len(columns["at"]) <= POINTS
    assert columns["at"] == sorted(columns["at"]) and columns["at"][-1] == count - 1
    assert columns["cpu"] == [at * 2 for at in columns["at"]]
    assert max(columns["memory"]) == max(at * 7919 % 10_007 for at in range(count))
    assert "processes" not in columns


def test_each_point_has_the_highest_since_the_one_before():
    series = Series()
    for at in range(POINTS + 1):
        series.add(Sample(float(at), memory=100 if at == 10 else 1, disk=None if at % 2 else at))
    assert series.columns()["memory"][:6] == [1, 1, 1, 1, 1, 100]
    assert series.columns()["disk"][:3] == [0, 2, 4]


def test_what_was_never_told_stays_unknown():
    assert highest(Sample(1, cpu=2.0), Sample(2, memory=3)) == Sample(2, cpu=2.0, memory=3)

"""How programs are run in turn, and what is made of their times."""

import sys

import pytest

from benchmarks.measure import Run, Side, in_turn, median, p90, ratio, run
from benchmarks.result import compared, group_of
from benchmarks.units import megabytes, seconds

PYTHON = (sys.executable, "-I", "-S", "-c")


def python(tmp_path, code, *words, **more):
    return Side((*PYTHON, code, *words), tmp_path, **more)


def test_the_cpu_of_a_run_is_its_own_and_its_childrens(tmp_path):
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    seen = run(python(tmp_path, f"import subprocess, sys; subprocess.run([*{PYTHON}, {burn!r}])"))
    assert seen.good
    assert seen.cpu >= 0.3
    assert seen.wall >= 0.3


def test_a_run_is_bad_if_it_fails_or_if_its_work_is_not_done(tmp_path, capsys):
    assert not run(python(tmp_path, "raise SystemExit('no more room')")).good
    assert "no more room" in capsys.readouterr().err
    assert not run(python(tmp_path, "pass", check=(tmp_path / "out").exists)).good
    assert run(python(tmp_path, "open('out', 'w')", check=(tmp_path / "out").exists)).good


def test_sides_take_turns_in_an_order_that_changes_and_one_round_warms_up(tmp_path):
    order = []
    sides = {
        name: python(tmp_path, "pass", prepare=lambda name=name: order.append(name)) for name in ("a", "b")
    }
    runs = in_turn(sides, 2)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert [len(seen) for seen in runs.values()] == [2, 2]


def test_a_ratio_is_the_median_of_the_rounds_ratios():
    base = [Run(1, 1, True), Run(2, 1, True), Run(4, 1, True)]
    mine = [Run(2, 1, True), Run(3, 1, True), Run(40, 1, True)]
    assert ratio(mine, base) == 2
    assert median([3, 1, 2]) == 2
    assert p90(range(11)) == 9


def test_a_table_has_times_a_multiple_and_what_failed():
    runs = {
        "bare": [Run(0.1, 0.09, True)] * 3,
        "jobwrap": [Run(0.15, 0.12, True)] * 2 + [Run(0.16, 0.1, False)],
    }
    assert compared("", runs, ["bare"]).rows == [
        ["bare", "100 ms", "100 ms", "90.0 ms", "90.0 ms", "1.00", "0"],
        ["jobwrap", "150 ms", "160 ms", "120 ms", "120 ms", "1.50", "1"],
    ]
    assert group_of("launch", runs, 1.4).limit == pytest.approx(0.14)


@pytest.mark.parametrize(
    ("value", "words"),
    [(1.2345, "1.23 s"), (12.345, "12.3 s"), (0.1234, "123 ms"), (0.00123, "1.23 ms"), (0.000123, "123 µs")],
)
def test_a_duration_has_three_digits_in_the_unit_that_suits_it(value, words):
    assert seconds(value) == words


def test_memory_is_told_in_megabytes():
    assert megabytes(19_260_000) == "19.3 MB"

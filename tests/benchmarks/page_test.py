"""What a measurement becomes: verdicts, plots, and blocks in the page of the docs."""

from xml.etree import ElementTree

import pytest

from benchmarks import bars, lines, page, svg
from benchmarks.__main__ import BENCHMARKS
from benchmarks.bars import Bar, Group
from benchmarks.budgets import Check, table, verdict
from benchmarks.lines import Course
from benchmarks.units import TIMES
from tests.conftest import REPO


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (Check("launch", 1.4), "met"),
        (Check("launch", 1.75), "**missed by 25 %**"),
        (Check("launch", 1.42), "**missed by 1.4 %**"),
        (Check("large", 1.3), "met"),
        (Check("large", 0.5), "**missed by 50 %**"),
    ],
)
def test_a_budget_is_met_or_missed_by_a_part_of_it(check, words):
    assert verdict(check) == words


def test_the_table_of_budgets_has_those_that_were_measured():
    rows = table([Check("cpu", 0.05), Check("staged", 2.5)]).splitlines()[2:]
    assert [row.split("|")[2:] for row in rows] == [
        [f" ≤ 2{TIMES} ", f" 2.5{TIMES} ", " **missed by 25 %** ", ""],
        [" ≤ 0.1 % of a core ", " 0.05 % of a core ", " met ", ""],
    ]


def test_a_plot_of_bars_is_xml_with_each_name_and_value():
    shown = bars.plot(
        [Group("a <group>", [Bar("bare & true", 0.1, 0.12), Bar("jobwrap", 0.14, ours=True)], 0.13)]
    )
    texts = [each.text for each in ElementTree.fromstring(shown).iter("{http://www.w3.org/2000/svg}text")]
    assert {"a <group>", "bare & true", "jobwrap", "100 ms", "140 ms", "budget"} <= set(texts)


def test_a_plot_of_lines_is_xml_with_each_course():
    shown = lines.plot([Course("jobwrap", [(0, 0.2), (100, 0.21)], ours=True), Course("bare", [(0, 0.1)])])
    found = ElementTree.fromstring(shown).findall("{http://www.w3.org/2000/svg}polyline")
    assert [each.get("class") for each in found] == ["line-ours", "line-others"]


@pytest.mark.parametrize(
    ("most", "steps"),
    [(0.23, [0, 0.05, 0.1, 0.15, 0.2, 0.25]), (10, [0, 2, 4, 6, 8, 10]), (1, [0, 0.2, 0.4, 0.6, 0.8, 1])],
)
def test_an_axis_has_round_steps_up_to_the_most(most, steps):
    assert svg.steps(most) == pytest.approx(steps)


def test_a_block_takes_its_place_and_nothing_else_changes():
    text = "before\n<!-- launch -->\nold\n<!-- /launch -->\nafter\n"
    assert (
        page.put(text, "launch", "new \\1\n") == "before\n<!-- launch -->\nnew \\1\n<!-- /launch -->\nafter\n"
    )
    with pytest.raises(ValueError, match="0 places"):
        page.put(text, "staging", "new")


def test_budgets_that_were_not_measured_this_time_stay_as_they_were():
    old = "a machine.\n\n| | budget |\n|---|---|\n| one | 1 |\n| two | 2 |\n"
    assert page.renewed(old, "a machine.\n\n| | budget |\n|---|---|\n| two | 3 |\n") == old.replace(
        "2 |", "3 |"
    )
    assert page.renewed(old, "another.\n\n| | budget |\n|---|---|\n| two | 3 |\n").startswith("another")


def test_the_page_of_the_docs_has_a_place_for_every_benchmark_and_for_the_budgets(tmp_path):
    results = tmp_path / "results"
    results.mkdir()
    (tmp_path / "performance.md").write_text((REPO / "docs/performance.md").read_text())
    for name in (*BENCHMARKS, "budgets"):
        (results / f"{name}.md").write_text(f"the {name}\n")
    (results / "launch.svg").write_text("<svg/>")
    page.write(results, tmp_path)
    text = (tmp_path / "performance.md").read_text()
    assert all(f"the {name}\n<!-- /{name} -->" in text for name in BENCHMARKS)
    assert "![launch](performance/launch.svg)" in text
    assert (tmp_path / "performance/launch.svg").read_text() == "<svg/>"

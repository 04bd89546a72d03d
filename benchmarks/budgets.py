"""What jobwrap may cost, as its design says, and how a measured figure stands to that."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.units import TIMES

_WHOLE = 10  # percent from which on no fraction is told


class Budget(NamedTuple):
    """One line of the design: what is measured, its limit, in what; at_least turns the limit round."""

    what: str
    limit: float
    unit: str
    at_least: bool = False


BUDGETS = {
    "launch": Budget("a job with nothing to stage, beside bare `apptainer exec`", 1.4, TIMES),
    "staged": Budget("the same with 3 small HTTP inputs and 1 output", 2.0, TIMES),
    "memory": Budget("jobwrap's own memory while the task runs (PSS, alone on the node)", 20, " MB"),
    "memory after 200": Budget("the same, 200 inputs of 1 MiB staged before", 20, " MB"),
    "memory after 2,000": Budget("the same, 2,000 inputs of 10 kB staged before", 20, " MB"),
    "cpu": Budget("jobwrap's CPU while the task runs", 0.1, " % of a core"),
    "large": Budget("one file of 1 GiB, sha256 checked: speed beside curl without a check", 1.0, TIMES, True),
    "many": Budget(
        "200 files of 1 MiB, sha256 checked: speed beside `curl --parallel`, then sha256sum", 1.0, TIMES, True
    ),
    "ninth": Budget("a further job's wait for an input of 1 GiB that the node's cache has", 50, " ms"),
    "size": Budget("the shipped file", 1.5, " MB"),
    "start": Budget("its cold start to the first line of the plan", 100, " ms"),
}


class Check(NamedTuple):
    """A figure that was measured for the budget of that name."""

    budget: str
    measured: float


def limit_of(budget: Budget) -> str:
    return f"{'≥' if budget.at_least else '≤'} {budget.limit:g}{budget.unit}"


def verdict(check: Check) -> str:
    """met, or by how much of the limit it was missed."""
    budget = BUDGETS[check.budget]
    over = (check.measured / budget.limit - 1) * 100
    if budget.at_least:
        over = -over
    return "met" if over <= 0 else f"**missed by {over:.{0 if over >= _WHOLE else 1}f} %**"


def table(checks: list[Check]) -> str:
    """The budgets that were measured, in the design's order."""
    lines = ["| | budget | measured | |", "|---|---|---|---|"]
    for name, budget in BUDGETS.items():
        for check in checks:
            if check.budget == name:
                measured = f"{check.measured:.3g}{budget.unit}"
                lines.append(f"| {budget.what} | {limit_of(budget)} | {measured} | {verdict(check)} |")
    return "\n".join(lines) + "\n"

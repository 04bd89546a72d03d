"""python3 -m benchmarks [--quick] [--runs N] [--out FOLDER] [NAME…], once dist/jobwrap is built."""

from __future__ import annotations

import argparse
import importlib
import time
from pathlib import Path

from benchmarks.budgets import Check, table
from benchmarks.machine import load, machine
from benchmarks.measure import Effort
from benchmarks.programs import SHIPPED
from benchmarks.result import Result, markdown

BENCHMARKS = {
    "launch": "a container's start, beside the bare runtime",
    "startup": "the shipped file's own start, and its size",
    "staging": "inputs, beside curl, aria2c and requests",
    "shared": "eight jobs that ask at once for one large input",
    "memory": "jobwrap's memory and CPU while the task runs",
    "survey": "the look at the node",
    "many": "64 that start together",
    "sequence": "2,000 one after another",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python3 -m benchmarks",
        description="Measures what jobwrap costs beside what people use today.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {name:<10}{what}" for name, what in BENCHMARKS.items()),
    )
    parser.add_argument("--quick", action="store_true", help="few rounds: whether all works, not how fast")
    parser.add_argument("--runs", type=int, metavar="N", help="how many follow one another (sequence)")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where NAME.md, NAME.svg and budgets.md are put"
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    words = parser.parse_args()
    if unknown := set(words.names).difference(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(unknown)}")
    if not Path(SHIPPED).exists():
        parser.error(f"there is no {SHIPPED}; bin/build makes it")
    print(f"{machine()}\n", flush=True)
    checks: list[Check] = []
    for name in words.names or BENCHMARKS:
        checks += run(name, Effort(words.quick, words.runs), words.out)
    if not words.quick:  # which measures other, smaller things than the budgets are about
        print(table(checks))
    if words.out and not words.quick:
        (words.out / "budgets.md").write_text(f"{machine()}.\n\n{table(checks)}")


def run(name: str, effort: Effort, out: Path | None) -> list[Check]:
    """Runs one, prints its tables and writes them and its plot; its figures for budgets."""
    before, started = load(), time.monotonic()
    result: Result = importlib.import_module(f"benchmarks.{name}").measure(effort)
    facts = (
        f"{time.strftime('%Y-%m-%d')}: {result.rounds}",
        f"{time.monotonic() - started:.0f} s in all",
        f"machine load {before:.2f} before, {load():.2f} after",
        f"failed runs: {result.failed}",
    )
    text = f"{'; '.join(facts)}.\n\n{markdown(result.tables)}"
    print(f"## {name}: {BENCHMARKS[name]}\n\n{text}", flush=True)
    if out:
        out.mkdir(parents=True, exist_ok=True)
        (out / f"{name}.md").write_text(text)
        (out / f"{name}.svg").write_text(result.plot)
    return list(result.checks)


if __name__ == "__main__":
    main()

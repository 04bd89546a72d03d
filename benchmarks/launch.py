"""What jobwrap adds to a container's start, beside the bare runtime with the same flags, the sides in turn:

    bin/build && bin/worker-node run -- python3 benchmarks/launch.py [--rounds N] [--only "CASE;…"]

The bare side runs the very words that jobwrap's plan has. Prints a Markdown table: medians and 90th
percentiles of wall and CPU seconds (the program's and all that it waited for), and the median over the
rounds of each side's wall time by its base's. Budgets are those of the design; a missed one is marked.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

REPO = Path(__file__).parents[1]
sys.path.insert(0, str(REPO))
from tests.servers import serving  # noqa: E402

SHIPPED = REPO / "dist/jobwrap"
IMAGE = ("--image", "htc/debian:12")
INPUTS = ("one", "two", "three")
QUIET = 1.5  # seconds after which a sleeping task's wrapper is at rest
BUDGET_MEMORY = 20e6
BUDGET_SIZE = 1.5e6


class Side(NamedTuple):
    """One program of a case: its words, where it runs, and by how much it may exceed the first side."""

    words: list[str]
    folder: Path
    budget: float | None = None


class Run(NamedTuple):
    """One run: seconds of wall and of CPU, and whether it ended with 0."""

    wall: float
    cpu: float
    good: bool


def bare(folder: Path, options: tuple[str, ...]) -> Side:
    """The container alone, with the flags and mounts of jobwrap's own plan for a job in `folder`."""
    folder.mkdir()
    words = [str(SHIPPED), "--dry-run", "--json", *IMAGE, *options, "--", "true"]
    plan = json.loads(subprocess.run(words, cwd=folder, stdout=subprocess.PIPE, check=True).stdout)
    for name in ("tmp", "var_tmp", "empty"):  # sources of mounts
        (folder / ".jobwrap" / name).mkdir(parents=True)
    return Side([*plan["container"]["runtime"], "true"], folder)


def wrapped(folder: Path, budget: float | None, options: tuple[str, ...], *command: str) -> Side:
    folder.mkdir()
    return Side([str(SHIPPED), *IMAGE, *options, "--", *command], folder, budget)


def sides(case: str, work: Path, url: str) -> dict[str, Side]:
    """The programs of one case; the first is what the others are measured against."""
    bubblewrap = ("--runtime", "bwrap")
    if case == "nothing to stage":
        return {
            "bare apptainer exec": bare(work / "bare", ()),
            "jobwrap": wrapped(work / "jobwrap", 1.4, (), "true"),
        }
    if case == "3 HTTP inputs, 1 output":
        staged = [word for name in INPUTS for word in ("--input", f"{url}/{name}")]
        staged += ["--output", f"copy={work}/delivered"]
        return {
            "bare apptainer exec": bare(work / "bare", ()),
            "jobwrap": wrapped(work / "jobwrap", 2.0, tuple(staged), "cp", "one", "copy"),
        }
    if case == "bubblewrap":
        return {
            "bare bwrap": bare(work / "bare", bubblewrap),
            "jobwrap": wrapped(work / "jobwrap", None, bubblewrap, "true"),
        }
    return {
        "python3 -I -S -c pass": Side(["python3", "-I", "-S", "-c", "pass"], work),
        "jobwrap --version": Side([str(SHIPPED), "--version"], work),
        "jobwrap --dry-run": Side([str(SHIPPED), "--dry-run", *IMAGE, "--", "true"], work),
    }


CASES = ("nothing to stage", "3 HTTP inputs, 1 output", "bubblewrap", "start-up of the file")


def run(side: Side) -> Run:
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    ended = subprocess.run(side.words, cwd=side.folder, stdout=subprocess.DEVNULL, check=False)
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(wall, cpu, ended.returncode == 0)


def measure(case: str, rounds: int) -> str:
    """The table of one case; one round before the first is not counted."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        with serving(work / "www") as server:
            for name in INPUTS:
                (server.root / name).write_bytes(os.urandom(10_000))
            programs = sides(case, work, server.url)
            runs: dict[str, list[Run]] = {name: [] for name in programs}
            for number in range(rounds + 1):
                for name, side in programs.items():
                    seen = run(side)
                    if number:
                        runs[name].append(seen)
    return table(case, programs, runs)


def table(case: str, programs: dict[str, Side], runs: dict[str, list[Run]]) -> str:
    base = next(iter(programs))
    lines = [
        f"### {case}",
        "",
        f"| | wall s, p50 / p90 / least | CPU s, p50 / p90 | x {base} | failed |",
        "|---|---|---|---|---|",
    ]
    for name, seen in runs.items():
        walls, cpus = [each.wall for each in seen], [each.cpu for each in seen]
        ratio = statistics.median(mine / its for mine, its in zip(walls, (each.wall for each in runs[base])))
        failed = sum(not each.good for each in seen)
        lines.append(
            f"| {name} | {statistics.median(walls):.3f} / {_p90(walls):.3f} / {min(walls):.3f} "
            f"| {statistics.median(cpus):.3f} / {_p90(cpus):.3f} "
            f"| {ratio:.2f}{_verdict(ratio, programs[name].budget)} | {failed} |"
        )
    return "\n".join(lines) + "\n"


def memory() -> float:
    """Bytes that jobwrap and its keeper have while a task sleeps: the sum of what is theirs (PSS)."""
    with tempfile.TemporaryDirectory() as folder:
        words = [str(SHIPPED), *IMAGE, "--", "sleep", str(2 * QUIET)]
        job = subprocess.Popen(words, cwd=folder)
        time.sleep(QUIET)
        keepers = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
        total = sum(_pss(pid) for pid in (job.pid, *map(int, keepers)))
        job.wait()
    return total


def _pss(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _p90(values: list[float]) -> float:
    return sorted(values)[int(0.9 * (len(values) - 1) + 0.5)]


def _verdict(value: float, budget: float | None) -> str:
    return "" if budget is None else f" (budget {budget:g}: {'met' if value <= budget else '**missed**'})"


def surroundings() -> str:
    version = subprocess.run(["apptainer", "--version"], stdout=subprocess.PIPE, text=True, check=True)
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")
    return (
        f"{len(os.sched_getaffinity(0))} processors ({model.strip()}), Linux {platform.release()}, "
        f"{version.stdout.strip()}, Python {platform.python_version()}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", default=";".join(CASES), help="cases, with ; between them")
    words = parser.parse_args()
    if not SHIPPED.exists():
        parser.error(f"there is no {SHIPPED}; bin/build makes it")
    print(f"{surroundings()}\n\nload before: {os.getloadavg()[0]:.2f}\n")
    for case in words.only.split(";"):
        print(measure(case, words.rounds), flush=True)
    size, used = SHIPPED.stat().st_size, memory()
    print("### size and memory\n\n| | MB |\n|---|---|")
    print(f"| the shipped file | {size / 1e6:.2f}{_verdict(size / 1e6, BUDGET_SIZE / 1e6)} |")
    memory_words = f"{used / 1e6:.1f}{_verdict(used / 1e6, BUDGET_MEMORY / 1e6)}"
    print(f"| jobwrap and its keeper while a task sleeps, PSS | {memory_words} |\n")
    print(f"load after: {os.getloadavg()[0]:.2f}")


if __name__ == "__main__":
    main()

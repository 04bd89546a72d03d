"""jobwrap's own memory and CPU while its task runs, beside the runtime's; also after staging many files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks import bars, processes
from benchmarks.bars import Bar, Group
from benchmarks.budgets import BUDGETS, Check
from benchmarks.measure import Effort, Side, median, start
from benchmarks.processes import Memory
from benchmarks.programs import record, wrapped
from benchmarks.result import Result, Table
from benchmarks.units import megabytes
from tests.servers import serving

QUIET = 1.5  # seconds after which all that a task's start brings with it is over
PATIENCE = 120.0
SLEEP = ("sleep", "1000")
TASKS = {
    "a task that sleeps": "sleep 1000",
    "50 processes": "for n in $(seq 50); do sleep 1000 & done; wait",
    "10,000 files in scratch": "seq 10000 | xargs touch; sleep 1000",
}


class Case(NamedTuple):
    """So many inputs of so many bytes each, and the budget for what jobwrap has then, "" without one."""

    files: int
    size: int
    budget: str = ""


CASES = {
    "nothing staged": Case(0, 0, "memory"),
    "3 inputs staged": Case(3, 10_000),
    "200 inputs of 1 MiB staged": Case(200, 1 << 20, "memory after 200"),
    "2,000 inputs of 10 kB staged": Case(2000, 10_000, "memory after 2,000"),
}
QUICK = {"nothing staged": Case(0, 0), "20 inputs of 10 kB staged": Case(20, 10_000)}


def measure(effort: Effort) -> Result:
    rounds, cases = (1, QUICK) if effort.quick else (3, CASES)
    moments = (0.5, 1.0) if effort.quick else (10.0, 120.0)
    sizes: dict[str, list[tuple[Memory, Memory]]] = {}
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder, serving(Path(folder) / "www") as server:
        for name, case in cases.items():
            words = inputs(Path(folder) / f"{name}.json", server.url, server.root, case)
            sizes[name] = [sleeping(Path(folder), words) for _ in range(rounds)]
        shares = cpu_shares(Path(folder), moments)
    checks = [
        Check(case.budget, median(own.alone for own, _ in sizes[name]) / 1e6)
        for name, case in cases.items()
        if case.budget
    ]
    return Result(
        tables=[_memory_table(sizes), _cpu_table(shares, moments)],
        plot=bars.plot([_group(sizes)], megabytes),
        rounds=f"median of {rounds} rounds, and {moments[-1]:g} s of {len(TASKS)} tasks",
        checks=[*checks, Check("cpu", max(seen[-1] for seen in shares.values()) * 100)],
    )


def inputs(path: Path, url: str, root: Path, case: Case) -> tuple[str, ...]:
    """Makes the files and the job file that asks for them; the option that names it."""
    names = [f"{path.stem}{number}".replace(" ", "-") for number in range(case.files)]
    for name in names:
        (root / name).write_bytes(os.urandom(case.size))
    path.write_text(json.dumps({"input": [f"{url}/{name}" for name in names]}))
    return ("--job", str(path)) if names else ()


def sleeping(work: Path, words: tuple[str, ...]) -> tuple[Memory, Memory]:
    """Of one job whose task sleeps: jobwrap's and its keeper's memory, and the runtime's."""
    with tempfile.TemporaryDirectory(dir=work) as scratch:
        job = begin(Path(scratch), *words, "--", *SLEEP)
        time.sleep(QUIET)
        seen = (
            processes.memory(processes.own(job.pid)),
            processes.memory(processes.below(job.pid, but=SLEEP[0])),
        )
        finish(job)
    return seen


def cpu_shares(work: Path, moments: tuple[float, ...]) -> dict[str, list[float]]:
    """Of each task, the share of a core that jobwrap used until each moment after it had begun."""
    jobs = {}
    for number, (name, script) in enumerate(TASKS.items()):
        scratch = work / f"cpu{number}"
        job = begin(scratch, "--", "sh", "-c", script)
        time.sleep(QUIET)
        jobs[name] = (job, time.monotonic(), processes.cpu(processes.own(job.pid)))
    shares: dict[str, list[float]] = {name: [] for name in jobs}
    first = min(began for _, began, _ in jobs.values())
    for moment in moments:
        time.sleep(max(0.0, first + moment - time.monotonic()))
        for name, (job, began, before) in jobs.items():
            used = processes.cpu(processes.own(job.pid)) - before
            shares[name].append(used / (time.monotonic() - began))
    for job, _, _ in jobs.values():
        finish(job)
    return shares


def begin(scratch: Path, *words: str) -> subprocess.Popen[bytes]:
    """A job whose task has begun."""
    job = start(Side(wrapped(scratch, *words), scratch))
    deadline = time.monotonic() + PATIENCE
    while not (scratch / "jobwrap-record.json").exists() or record(scratch)["phase"] != "task":
        if job.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the task of {' '.join(words)} did not begin")
        time.sleep(0.02)
    return job


def finish(job: subprocess.Popen[bytes]) -> None:
    job.send_signal(signal.SIGTERM)
    job.wait(PATIENCE)


def _memory_table(sizes: dict[str, list[tuple[Memory, Memory]]]) -> Table:
    head = ["", "jobwrap and keeper, PSS", "the same, alone on the node", "the runtime, alone on the node"]
    rows = []
    for name, seen in sizes.items():
        own, runtime = zip(*seen)
        figures = [(own, "shared"), (own, "alone"), (runtime, "alone")]
        cells = [megabytes(median(getattr(each, kind) for each in side)) for side, kind in figures]
        rows.append([name, *cells])
    return Table("memory", head, rows)


def _cpu_table(shares: dict[str, list[float]], moments: tuple[float, ...]) -> Table:
    head = ["", *(f"in the first {moment:g} s" for moment in moments)]
    rows = [[name, *(f"{share * 100:.3f} %" for share in seen)] for name, seen in shares.items()]
    return Table("CPU, as a share of one core, after the first 1.5 s", head, rows)


def _group(sizes: dict[str, list[tuple[Memory, Memory]]]) -> Group:
    bars_ = []
    for name, seen in sizes.items():
        bars_.append(Bar(name, median(own.alone for own, _ in seen), ours=True))
        bars_.append(Bar("the runtime beside it", median(runtime.alone for _, runtime in seen)))
    return Group("memory while the task runs", bars_, BUDGETS["memory"].limit * 1e6)

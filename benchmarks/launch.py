"""What jobwrap adds to a container's start, beside the bare runtime with the same flags."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import bars
from benchmarks.budgets import Check
from benchmarks.measure import ENVIRONMENT, Effort, Run, Side, in_turn, median, p90, ratio
from benchmarks.programs import IMAGE, bare, record, wrapped
from benchmarks.result import Result, Table, compared, failed, group_of
from benchmarks.units import seconds
from tests.servers import serving

ROUNDS = {False: 30, True: 2}
INPUTS = ("one", "two", "three")
APPTAINER, BWRAP = "bare apptainer exec", "bare bwrap"
SHIPPED = "jobwrap"
TREE = "/cvmfs/singularity.opensciencegrid.org"
# Python's own start, and a child that it waits for: what any wrapper in Python costs.
IN_PYTHON = "import os, sys; os.waitpid(os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ), 0)"
SPANS = {
    "before": "before the launch: Python, imports, survey, plan",
    "container_start": "the container's start",
    "held": "held for the inputs",
    "task": "the task",
    "container_end": "the container's end",
    "after": "after: diagnosis, outputs",
}


def measure(effort: Effort) -> Result:
    rounds = ROUNDS[effort.quick]
    profile = Profile()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        with serving(work / "www") as server:
            for name in INPUTS:
                (server.root / name).write_bytes(os.urandom(10_000))
            cases = {
                "nothing to stage": plain(work / "plain", profile),
                "3 HTTP inputs, 1 output": staged(work / "staged", server.url),
                "an image in a SIF": sif(work / "sif"),
                "bubblewrap": bubblewrap(work / "bubblewrap"),
            }
            found = {case: in_turn(sides, rounds) for case, sides in cases.items()}
    budgets = {"nothing to stage": "launch", "3 HTTP inputs, 1 output": "staged"}
    limits = {"nothing to stage": 1.4, "3 HTTP inputs, 1 output": 2.0}
    return Result(
        tables=[*(compared(case, runs, [base(runs)]) for case, runs in found.items()), profile.table()],
        plot=bars.plot([group_of(case, runs, limits.get(case)) for case, runs in found.items()]),
        rounds=f"{rounds} rounds",
        checks=[
            Check(budget, ratio(found[case][SHIPPED], found[case][base(found[case])]))
            for case, budget in budgets.items()
        ],
        failed=sum(failed(seen) for runs in found.values() for seen in runs.values()),
    )


def base(runs: dict[str, list[Run]]) -> str:
    return next(iter(runs))


def plain(work: Path, profile: Profile) -> dict[str, Side]:
    words, mine = bare(work / "bare"), work / "jobwrap"
    python = (sys.executable, "-I", "-S", "-c", IN_PYTHON, *words, "true")
    return {
        APPTAINER: Side((*words, "true"), work / "bare"),
        "a bare Python that starts it": Side(python, work / "bare"),
        SHIPPED: Side(wrapped(mine, "--", "true"), mine, check=lambda: profile.add(mine)),
    }


def staged(work: Path, url: str) -> dict[str, Side]:
    words, mine, by_hand = bare(work / "bare"), work / "jobwrap", work / "hand"
    inputs = [word for name in INPUTS for word in ("--input", f"{url}/{name}")]
    output = ("--output", f"copy={work}/delivered")
    fetch = " ".join(f"-O {url}/{name}" for name in INPUTS)
    script = f'curl -sf {fetch} && "$@" cp one copy && cp copy {work}/delivered'
    return {
        APPTAINER: Side((*words, "true"), work / "bare"),
        "curl, then apptainer exec, then cp": Side(
            ("sh", "-c", script, "sh", *bare(by_hand)), by_hand, *delivery(work, by_hand)
        ),
        SHIPPED: Side(
            wrapped(mine, *inputs, *output, "--", "cp", "one", "copy"), mine, *delivery(work, mine)
        ),
    }


def delivery(work: Path, scratch: Path) -> tuple[Callable[[], object], Callable[[], bool]]:
    """Nothing is there before; afterwards it was delivered."""

    def prepare() -> None:
        for path in (work / "delivered", *(scratch / name for name in (*INPUTS, "copy"))):
            path.unlink(missing_ok=True)

    return prepare, (work / "delivered").exists


def sif(work: Path) -> dict[str, Side]:
    work.mkdir()
    image = f"{work}/image.sif"
    build = ("apptainer", "--silent", "build", "--mksquashfs-args", "-comp gzip -Xcompression-level 1")
    subprocess.run((*build, image, f"{TREE}/{IMAGE}"), env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=True)
    return {
        APPTAINER: Side((*bare(work / "bare", image=image), "true"), work / "bare"),
        SHIPPED: Side(wrapped(work / "jobwrap", "--", "true", image=image), work / "jobwrap"),
    }


def bubblewrap(work: Path) -> dict[str, Side]:
    runtime = ("--runtime", "bwrap")
    return {
        BWRAP: Side((*bare(work / "bare", *runtime), "true"), work / "bare"),
        SHIPPED: Side(wrapped(work / "jobwrap", *runtime, "--", "true"), work / "jobwrap"),
    }


class Profile:
    """Where the time of each run went, out of its record."""

    def __init__(self) -> None:
        self._runs: list[dict[str, float]] = []

    def add(self, folder: Path) -> bool:
        """Takes the record of a run in; whether it tells."""
        timing = record(folder).get("timing")
        self._runs.append(timing or {})
        return bool(timing)

    def table(self) -> Table:
        rows = []
        for name, words in {**SPANS, "added": "of all that, added by jobwrap"}.items():
            values = [run[name] for run in self._runs if run]
            rows.append([words, seconds(median(values)), seconds(p90(values))] if values else [words, "", ""])
        return Table("nothing to stage: where the time goes, by jobwrap's records", ["", "p50", "p90"], rows)

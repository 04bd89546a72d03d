"""The shipped file's own start wherever it may lie, beside bare Python's; and its size."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import bars
from benchmarks.budgets import Check
from benchmarks.measure import Effort, Side, in_turn, median
from benchmarks.programs import IMAGE, SHIPPED
from benchmarks.result import Result, Table, compared, failed, group_of
from benchmarks.units import megabytes

ROUNDS = {False: 30, True: 2}
PYTHON = "python3 -I -S -c pass"
COLD = "jobwrap --dry-run, a copy in a fresh folder"
PLAN = ("--dry-run", "--image", IMAGE, "--", "true")


def measure(effort: Effort) -> Result:
    rounds = ROUNDS[effort.quick]
    with tempfile.TemporaryDirectory() as folder, noexec(Path(folder) / "noexec") as holder:
        runs = in_turn(sides(Path(folder), holder), rounds)
    size, cold = os.stat(SHIPPED).st_size, median(each.wall for each in runs[COLD])
    return Result(
        tables=[
            compared("", runs, [PYTHON]),
            Table("", ["", "size"], [["the shipped file", megabytes(size)]]),
        ],
        plot=bars.plot([group_of("start-up", runs)]),
        rounds=f"{rounds} rounds",
        checks=[Check("size", size / 1e6), Check("start", cold * 1000)],
        failed=sum(map(failed, runs.values())),
    )


def sides(work: Path, holder: int) -> dict[str, Side]:
    fresh = work / "fresh"
    spaced, link = work / "a folder with spaces", work / "link"
    spaced.mkdir()
    shutil.copy(SHIPPED, spaced / "condor_exec.exe")
    link.symlink_to(SHIPPED)
    enter = ("nsenter", "-U", "-m", "--preserve-credentials", "-t", str(holder), f"--wd={work}")
    return {
        PYTHON: Side((sys.executable, "-I", "-S", "-c", "pass"), work),
        "python3 -I -c pass": Side((sys.executable, "-I", "-c", "pass"), work),
        "jobwrap --version": Side((SHIPPED, "--version"), work),
        "jobwrap --dry-run": Side((SHIPPED, *PLAN), work),
        COLD: Side((f"{fresh}/jobwrap", *PLAN), work, lambda: renew(fresh)),
        "jobwrap --dry-run through a symlink": Side((str(link), *PLAN), work),
        "jobwrap --dry-run by another name": Side((f"{spaced}/condor_exec.exe", *PLAN), spaced),
        "jobwrap --dry-run by python3 -I": Side((sys.executable, "-I", SHIPPED, *PLAN), work),
        "jobwrap --dry-run in a noexec folder*": Side((*enter, "sh", f"{work}/noexec/jobwrap", *PLAN), work),
        "*(to enter that folder's namespace)": Side((*enter, "true"), work),
    }


def renew(folder: Path) -> None:
    """A copy of the file that nobody has started yet, alone in its folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copy(SHIPPED, folder / "jobwrap")


@contextlib.contextmanager
def noexec(folder: Path) -> Iterator[int]:
    """A process in whose mount namespace `folder` is read-only, noexec, and has the file."""
    folder.mkdir()
    script = (
        'mount -t tmpfs -o noexec tmpfs "$1" && cp "$2" "$1/jobwrap" && mount -o remount,bind,ro,noexec "$1" '
        "&& echo there && exec sleep infinity"
    )
    words = ["unshare", "-rm", "sh", "-c", script, "sh", str(folder), SHIPPED]
    process = subprocess.Popen(words, stdout=subprocess.PIPE)
    try:
        assert process.stdout and process.stdout.readline() == b"there\n"
        yield process.pid
    finally:
        process.kill()
        process.communicate()

"""The look at the node: the whole of `jobwrap node`, and its CPU part beside others' ways to the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import bars
from benchmarks.measure import Effort, Side, in_turn
from benchmarks.programs import REPO, SHIPPED
from benchmarks.result import Result, compared, failed, group_of

ROUNDS = {False: 10, True: 1}
PYTHON = "python3 -I -S -c pass"
LOOK = """
import sys
sys.path.insert(0, sys.argv[1])
from jobwrap.node.cpu import find_cpu
assert find_cpu().level
"""


def measure(effort: Effort) -> Result:
    rounds = ROUNDS[effort.quick]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        compiled(work / "lib")
        runs = in_turn(sides(work), rounds)
    return Result(
        tables=[compared("", runs, [PYTHON])],
        plot=bars.plot([group_of("the look at the node", runs)]),
        rounds=f"{rounds} rounds",
        failed=sum(map(failed, runs.values())),
    )


def sides(work: Path) -> dict[str, Side]:
    python = (sys.executable, "-I", "-c")
    words = {
        PYTHON: (sys.executable, "-I", "-S", "-c", "pass"),
        "jobwrap node": (SHIPPED, "node"),
        "jobwrap's look at the CPU alone": (sys.executable, "-I", "-S", "-c", LOOK, str(work / "lib")),
        "lscpu": ("lscpu",),
        "archspec.cpu.host()": (*python, "import archspec.cpu; archspec.cpu.host()"),
        "cpuinfo.get_cpu_info()": (*python, "import cpuinfo; cpuinfo.get_cpu_info()"),
    }
    return {name: Side(each, work) for name, each in words.items()}


def compiled(lib: Path) -> None:
    """jobwrap's modules with their bytecode, as the shipped file has them."""
    shutil.copytree(REPO / "jobwrap", lib / "jobwrap", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-m", "compileall", "-q", lib], env=environment, check=True)

"""Stage-in beside what people use, over a loopback nginx, the sides in turn:

    bin/worker-node run -- python3 benchmarks/staging.py [--rounds N] [--only CASE,…] [--json FILE]

jobwrap checks a sha256 of every file; the others are run with and without sha256sum after them. Times hold
the start of each program. Prints a Markdown table: medians and 90th percentiles of wall and CPU seconds, and
the median over the rounds of curl's wall time by the program's own (more than 1 is faster than curl).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

REPO = Path(__file__).parents[1]
sys.path.insert(0, str(REPO))
from tests.servers import serving  # noqa: E402

CASES = {"1 x 1 GiB": (1, 1 << 30), "200 x 1 MiB": (200, 1 << 20), "2000 x 10 kB": (2000, 10_000)}
BLOCK = 1 << 20
BASE = "curl"  # what all are measured against

JOBWRAP = """
import sys
sys.path.insert(0, sys.argv[1])
from jobwrap.transfer.fetch import Wanted, fetch_all
wanted = []
for line in open(sys.argv[3]):
    digest, name = line.split()
    wanted.append(Wanted(name, (f"{sys.argv[2]}/{name}",), ("sha256", digest), f"{sys.argv[4]}/{name}"))
fetch_all(wanted)
"""
REQUESTS = """
import sys, requests
from concurrent.futures import ThreadPoolExecutor
session = requests.Session()
def fetch(line):
    name = line.split()[1]
    with session.get(f"{sys.argv[1]}/{name}", stream=True) as answer:
        with open(f"{sys.argv[3]}/{name}", "wb") as file:
            for block in answer.iter_content(1 << 20):
                file.write(block)
with ThreadPoolExecutor(8) as pool:
    list(pool.map(fetch, open(sys.argv[2])))
"""


class Run(NamedTuple):
    """One run: seconds of wall and of CPU, and whether every file was there and of the right length."""

    wall: float
    cpu: float
    good: bool


class Bench:
    """The files of one case, and the command lines that fetch them."""

    def __init__(self, work: Path, url: str, root: Path, count: int, size: int) -> None:
        self.work, self.url, self.size = work, url, size
        self.out, self.sums = work / "out", work / "sums"
        self.names = [f"file{index}" for index in range(count)]
        lines = [f"{_make(root / name, size)}  {name}\n" for name in self.names]
        self.sums.write_text("".join(lines))
        (work / "curl").write_text("".join(f'url="{url}/{name}"\noutput="{name}"\n' for name in self.names))
        (work / "aria2c").write_text("".join(f"{url}/{name}\n" for name in self.names))

    def commands(self) -> Iterator[tuple[str, list[str]]]:
        curl = ["curl", "-s", "-K", f"{self.work}/curl"]
        aria2c = ["aria2c", "-q", "-x8", "-s8", "-j8", "--file-allocation=none", "-i", f"{self.work}/aria2c"]
        python = [sys.executable, "-I"]
        parallel = [*curl, "--parallel", "--parallel-max", "8"]
        requests = [*python, f"{self.work}/requests.py", self.url, str(self.sums), str(self.out)]
        sides = {BASE: curl, "curl --parallel": parallel, "aria2c": aria2c, "requests": requests}
        for name, words in sides.items():
            yield name, words
            yield f"{name}, then sha256sum", [
                "sh", "-c", '"$@" && sha256sum -c --quiet "$0"', str(self.sums), *words
            ]  # fmt: skip
        lib = str(self.work / "lib")
        words = [f"{self.work}/jobwrap.py", lib, self.url, str(self.sums), str(self.out)]
        yield "jobwrap, sha256 checked", [sys.executable, "-I", "-S", *words]

    def run(self, words: list[str]) -> Run:
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        code = subprocess.run(words, cwd=self.out, stdout=subprocess.DEVNULL, check=False).returncode
        wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        sizes = [os.stat(self.out / name).st_size for name in os.listdir(self.out)]
        return Run(wall, cpu, code == 0 and sizes == [self.size] * len(self.names))


def _make(path: Path, size: int) -> str:
    """A file of random bytes; its sha256."""
    block, digest = os.urandom(min(size, BLOCK)), hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(max(1, size // BLOCK)):
            file.write(block)
            digest.update(block)
    return digest.hexdigest()


def _prepare(work: Path) -> None:
    """jobwrap as it is shipped: compiled."""
    shutil.copytree(REPO / "jobwrap", work / "lib/jobwrap", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-m", "compileall", "-q", work / "lib"], env=environment, check=True)
    (work / "jobwrap.py").write_text(JOBWRAP)
    (work / "requests.py").write_text(REQUESTS)


def measure(case: str, rounds: int) -> dict[str, list[Run]]:
    """All sides of one case, in turn, in memory."""
    found: dict[str, list[Run]] = {}
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        work = Path(folder)
        _prepare(work)
        with serving(work / "www") as server:
            bench = Bench(work, server.url, server.root, *CASES[case])
            for _ in range(rounds):
                for name, words in bench.commands():
                    found.setdefault(name, []).append(bench.run(words))
    return found


def table(case: str, found: dict[str, list[Run]]) -> str:
    lines = [
        f"### {case}",
        "",
        "| | wall s, p50 / p90 | CPU s, p50 / p90 | x curl | x curl --parallel, then sha256sum | failed |",
    ]
    lines.append("|---|---|---|---|---|---|")
    for name, runs in found.items():
        walls, cpus = [run.wall for run in runs], [run.cpu for run in runs]
        cells = [f"{_p50(walls):.3f} / {_p90(walls):.3f}", f"{_p50(cpus):.3f} / {_p90(cpus):.3f}"]
        for other in (BASE, "curl --parallel, then sha256sum"):
            cells.append(f"{_p50([base.wall / run.wall for base, run in zip(found[other], runs)]):.2f}")
        cells.append(str(sum(not run.good for run in runs)))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _p50(values: list[float]) -> float:
    return statistics.median(values)


def _p90(values: list[float]) -> float:
    return sorted(values)[int(0.9 * (len(values) - 1) + 0.5)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--json", type=Path)
    words = parser.parse_args()
    results = {}
    print(f"load before: {os.getloadavg()[0]:.2f}, processors: {len(os.sched_getaffinity(0))}\n")
    for case in words.only.split(","):
        results[case] = measure(case, words.rounds)
        print(table(case, results[case]), flush=True)
    print(f"load after: {os.getloadavg()[0]:.2f}")
    if words.json:
        words.json.write_text(json.dumps(results))


if __name__ == "__main__":
    main()

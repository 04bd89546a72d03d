"""Stage-in beside what people use, from a loopback nginx into memory; jobwrap checks every file's sha256."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks import bars
from benchmarks.budgets import Check
from benchmarks.measure import Effort, Run, Side, in_turn, ratio
from benchmarks.result import Result, compared, failed, group_of
from benchmarks.survey import compiled
from tests.servers import serving

CURL, PARALLEL, CHECKED = "curl", "curl --parallel", "curl --parallel, then sha256sum"
JOBWRAP = "jobwrap, sha256 checked"
BLOCK = 1 << 20

FETCH = """
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


class Case(NamedTuple):
    """So many files of so many bytes, so many rounds; quick: the same for a look whether all works."""

    files: int
    size: int
    rounds: int


CASES = {
    "1 file of 1 GiB": Case(1, 1 << 30, 4),
    "200 files of 1 MiB": Case(200, 1 << 20, 10),
    "2,000 files of 10 kB": Case(2000, 10_000, 4),
}
QUICK = {
    "1 file of 16 MiB": Case(1, 16 << 20, 1),
    "20 files of 1 MiB": Case(20, 1 << 20, 1),
    "100 files of 10 kB": Case(100, 10_000, 1),
}


def measure(effort: Effort) -> Result:
    cases = QUICK if effort.quick else CASES
    found = {name: _measure(case) for name, case in cases.items()}
    large, many = list(found.values())[:2]
    return Result(
        tables=[compared(name, runs, [CURL, CHECKED]) for name, runs in found.items()],
        plot=bars.plot([group_of(name, runs) for name, runs in found.items()]),
        rounds=", ".join(f"{case.rounds} rounds of {name}" for name, case in cases.items()),
        checks=[
            Check("large", ratio(large[CURL], large[JOBWRAP])),
            Check("many", ratio(many[CHECKED], many[JOBWRAP])),
        ],
        failed=sum(failed(seen) for runs in found.values() for seen in runs.values()),
    )


def _measure(case: Case) -> dict[str, list[Run]]:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        work = Path(folder)
        compiled(work / "lib")
        with serving(work / "www") as server:
            files = Files(work, server.url, server.root, case)
            return in_turn(dict(files.sides()), case.rounds)


class Files:
    """The files of one case, and the programs that fetch them."""

    def __init__(self, work: Path, url: str, root: Path, case: Case) -> None:
        self._work, self._url, self._case = work, url, case
        self._out, self._sums = work / "out", work / "sums"
        names = [f"file{index}" for index in range(case.files)]
        self._sums.write_text("".join(f"{make(root / name, case.size)}  {name}\n" for name in names))
        (work / "curl").write_text("".join(f'url="{url}/{name}"\noutput="{name}"\n' for name in names))
        (work / "aria2c").write_text("".join(f"{url}/{name}\n" for name in names))
        self._out.mkdir()

    def sides(self) -> Iterator[tuple[str, Side]]:
        """aria2c only where it is installed."""
        curl = ("curl", "-s", "-K", f"{self._work}/curl")
        parallel = (*curl, "--parallel", "--parallel-max", "8")
        yield CURL, self._side(*curl)
        yield f"{CURL}, then sha256sum", self._side(*self._checked(*curl))
        yield PARALLEL, self._side(*parallel)
        yield CHECKED, self._side(*self._checked(*parallel))
        if shutil.which("aria2c"):
            words = ("-q", "-x8", "-s8", "-j8", "--file-allocation=none", "-i", f"{self._work}/aria2c")
            yield "aria2c", self._side("aria2c", *words)
        python = (sys.executable, "-I")
        where = (self._url, str(self._sums), str(self._out))
        yield "requests, 8 threads", self._side(*python, "-c", REQUESTS, *where)
        yield JOBWRAP, self._side(*python, "-S", "-c", FETCH, str(self._work / "lib"), *where)

    def _side(self, *words: str) -> Side:
        return Side(words, self._out, self._clear, self._all_there)

    def _checked(self, *words: str) -> tuple[str, ...]:
        return ("sh", "-c", '"$@" && sha256sum -c --quiet "$0"', str(self._sums), *words)

    def _clear(self) -> None:
        for path in self._out.iterdir():
            path.unlink()

    def _all_there(self) -> bool:
        return [path.stat().st_size for path in self._out.iterdir()] == [self._case.size] * self._case.files


def make(path: Path, size: int) -> str:
    """A file of random bytes; its sha256."""
    block, digest = os.urandom(min(size, BLOCK)), hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(max(1, size // BLOCK)):
            file.write(block)
            digest.update(block)
    return digest.hexdigest()

"""64 jobs that start together on one node, with one image and one cache, beside as many bare containers."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from benchmarks import bars, leftovers
from benchmarks.bars import Bar, Group
from benchmarks.measure import Effort, Run, Side, end, median, p90, start
from benchmarks.programs import bare, wrapped
from benchmarks.result import Result, Table, failed
from benchmarks.units import TIMES, seconds
from tests.servers import serving

SIZE = 10 << 20  # of the input that all share
BASE = "bare apptainer exec"


class Together(NamedTuple):
    """Programs that started at one moment: each one's run, and seconds until all had ended."""

    runs: list[Run]
    wall: float


def measure(effort: Effort) -> Result:
    many, rounds = (8, 1) if effort.quick else (64, 3)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        with serving(work / "www") as server:
            place = f"{server.url}/shared#sha256:{make(server.root / 'shared')}"
            groups = {
                BASE: bare_ones(work / "bare", many),
                "jobwrap": wrapped_ones(work / "jobwrap", many),
                "jobwrap, one shared 10 MiB input": staged_ones(work / "staged", many, place),
            }
            together(groups[BASE][:1])  # Apptainer makes itself a folder in the home folder, once
            before = leftovers.count(work)
            found: dict[str, list[Together]] = {name: [] for name in groups}
            for number in range(rounds):
                empty(work / "staged/cache")
                for name in groups if number % 2 else reversed(groups):
                    found[name].append(together(groups[name]))
            after = leftovers.settled(before, work)
            fetched = sum(each.bytes for each in server.requests()) / SIZE
        left = [path for path in leftovers.files(work / "staged/cache") if path.is_file()]
    tables = [
        table(many, found),
        Table("left behind", ["", "before", "after"], leftovers.rows(before, after)),
        Table(
            "the shared input",
            [
                "jobs that asked for it",
                "rounds, each with an empty cache",
                "times that it was fetched",
                "files in the cache at the end",
            ],
            [[str(many * rounds), str(rounds), f"{fetched:.3g}", str(len(left))]],
        ),
    ]
    return Result(
        tables=tables,
        plot=bars.plot([group(many, found)]),
        rounds=f"{rounds} rounds of {many}",
        failed=sum(failed(each.runs) for seen in found.values() for each in seen),
    )


def together(sides: list[Side]) -> Together:
    """Starts them all at once and waits for all."""
    started = time.monotonic()
    running = [(start(side), time.monotonic()) for side in sides]
    # They end in whatever order: a thread waits for each, and takes its time.
    with ThreadPoolExecutor(len(running)) as pool:
        runs = list(pool.map(lambda pair: end(*pair), running))
    return Together(runs, time.monotonic() - started)


def make(path: Path) -> str:
    """The shared input; its sha256."""
    path.write_bytes(os.urandom(SIZE))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def bare_ones(work: Path, many: int) -> list[Side]:
    folders = [work / str(number) for number in range(many)]
    return [Side((*bare(folder), "true"), folder) for folder in folders]


def wrapped_ones(work: Path, many: int) -> list[Side]:
    folders = [work / str(number) for number in range(many)]
    return [Side(wrapped(folder, "--", "true"), folder) for folder in folders]


def staged_ones(work: Path, many: int, place: str) -> list[Side]:
    site = site_with_cache(work)
    folders = [work / str(number) for number in range(many)]
    return [cached(folder, site, place) for folder in folders]


def cached(folder: Path, site: Path, *places: str) -> Side:
    """A job whose inputs come by way of that site's cache."""
    inputs = (word for place in places for word in ("--input", place))
    program, *words = wrapped(folder, *inputs, "--", "true")
    return Side((program, "--site", str(site), *words), folder)


def site_with_cache(work: Path) -> Path:
    """A site's settings with a cache in `work`, and the empty cache."""
    work.mkdir(parents=True, exist_ok=True)
    (work / "cache").mkdir(mode=0o700)
    site = work / "site.toml"
    site.write_text(f'[node]\ncache = "{work}/cache"\n')
    site.chmod(0o644)
    return site


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def table(many: int, found: dict[str, list[Together]]) -> Table:
    head = [
        "",
        "until all have ended, p50",
        f"{TIMES} {BASE}",
        "one of them, p50",
        "p90",
        "CPU of all, p50",
        "failed",
    ]
    rows = []
    for name, seen in found.items():
        walls = [run.wall for each in seen for run in each.runs]
        ratios = [mine.wall / its.wall for mine, its in zip(seen, found[BASE])]
        rows.append(
            [
                f"{many} {TIMES} {name}",
                seconds(median(each.wall for each in seen)),
                f"{median(ratios):.2f}",
                seconds(median(walls)),
                seconds(p90(walls)),
                seconds(median(sum(run.cpu for run in each.runs) for each in seen)),
                str(sum(failed(each.runs) for each in seen)),
            ]
        )
    return Table("", head, rows)


def group(many: int, found: dict[str, list[Together]]) -> Group:
    bars_ = []
    for name, seen in found.items():
        walls = [each.wall for each in seen]
        bars_.append(Bar(name, median(walls), p90(walls), ours=name.startswith("jobwrap")))
    return Group(f"{many} at once, until all have ended", bars_)

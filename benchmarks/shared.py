"""Eight jobs that ask at once for one large input, on a node with a cache, and a ninth that comes later."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks import bars
from benchmarks.bars import Bar, Group
from benchmarks.budgets import Check
from benchmarks.many import Together, cached, empty, staged_ones, together
from benchmarks.measure import Effort, Run, Side, in_turn, median, p90, run
from benchmarks.result import Result, Table, failed
from benchmarks.staging import make
from benchmarks.units import TIMES, seconds
from tests.servers import serving

MANY = 8
ALONE, EIGHT = "one curl", f"{MANY} {TIMES} jobwrap"
PLAIN, NINTH = "jobwrap without an input", "the ninth"


def measure(effort: Effort) -> Result:
    size, rounds, later = (16 << 20, 1, 2) if effort.quick else (1 << 30, 3, 20)
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        work = Path(folder)
        with serving(work / "www") as server:
            place = f"{server.url}/shared#sha256:{make(server.root / 'shared', size)}"
            curl = Side(("curl", "-s", "-o", "/dev/null", f"{server.url}/shared"), work)
            eight = staged_ones(work, MANY, place)
            alone, found = [], []
            for _ in range(rounds):
                empty(work / "cache")
                alone.append(run(curl))
                found.append(together(eight))
            sent = sum(each.bytes for each in server.requests()) / size - rounds  # without curl's own
            late = _later(work, place, later)
    return Result(
        tables=[_eight(alone, found, sent), _ninth(late)],
        plot=bars.plot([_group(alone, found)]),
        rounds=f"{rounds} rounds of {MANY}, {later} of a ninth",
        checks=[Check("ninth", median(_waits(late)) * 1000)],
        failed=sum(map(failed, [alone, *(each.runs for each in found), *late.values()])),
    )


def _later(work: Path, place: str, rounds: int) -> dict[str, list[Run]]:
    """The same job with the input, which is in the cache by now, and without."""
    site = work / "site.toml"
    return in_turn({PLAIN: cached(work / "plain", site), NINTH: cached(work / "ninth", site, place)}, rounds)


def _eight(alone: list[Run], found: list[Together], sent: float) -> Table:
    head = ["", "until all have ended, p50", "p90", "CPU of all, p50", "times that it was downloaded"]
    rows = []
    for name, walls, cpus, times in (
        (ALONE, [each.wall for each in alone], [each.cpu for each in alone], 1.0),
        (EIGHT, [each.wall for each in found], [_cpu(each) for each in found], sent / len(found)),
    ):
        rows.append(
            [name, seconds(median(walls)), seconds(p90(walls)), seconds(median(cpus)), f"{times:.3g}"]
        )
    return Table(f"{MANY} at once, each round with an empty cache", head, rows)


def _cpu(together: Together) -> float:
    return sum(each.cpu for each in together.runs)


def _ninth(late: dict[str, list[Run]]) -> Table:
    head = ["", "wall, p50", "p90", "CPU, p50", "what its input adds to the wall, p50", "p90"]
    rows = []
    for name, seen in late.items():
        walls, waits = [each.wall for each in seen], _waits(late) if name == NINTH else []
        told = [seconds(of(waits)) if waits else "" for of in (median, p90)]
        cpu = seconds(median(each.cpu for each in seen))
        rows.append([name, seconds(median(walls)), seconds(p90(walls)), cpu, *told])
    return Table("one that comes later", head, rows)


def _waits(late: dict[str, list[Run]]) -> list[float]:
    """From asking for the input to having it: what it adds, round for round."""
    return [max(0.0, ninth.wall - plain.wall) for ninth, plain in zip(late[NINTH], late[PLAIN])]


def _group(alone: list[Run], found: list[Together]) -> Group:
    walls = {ALONE: [each.wall for each in alone], EIGHT: [each.wall for each in found]}
    shown = [
        Bar(name, median(seen), p90(seen), ours=name.endswith("jobwrap")) for name, seen in walls.items()
    ]
    return Group("1 GiB for eight jobs, until all have ended", shown)

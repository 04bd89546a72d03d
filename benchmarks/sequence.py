"""Thousands of jobs one after another on one node: are the last as fast as the first, and what is left?"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import leftovers, lines
from benchmarks.lines import Course
from benchmarks.many import SIZE, cached, make, site_with_cache
from benchmarks.measure import Effort, Run, Side, median, p90, run
from benchmarks.programs import RECORD, bare
from benchmarks.result import Result, Table, failed
from benchmarks.units import megabytes, seconds
from tests.servers import serving

RUNS = {False: 2000, True: 12}
EVERY = 10  # so many jobs for one bare container
OURS, BARE = "jobwrap, one input out of the cache", "bare apptainer exec"
EXPECTED = {RECORD, "shared"}


def measure(effort: Effort) -> Result:
    number = effort.runs or RUNS[effort.quick]
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        site = site_with_cache(work / "site")
        with serving(work / "www") as server:
            place = f"{server.url}/shared#sha256:{make(server.root / 'shared')}"
            job = Jobs(work / "scratch", site, place)
            base = Side((*bare(work / "bare"), "true"), work / "bare")
            seen = [run(job.side())]  # which fills the cache, and warms what can be warm
            before, cache = leftovers.count(work), weight(work / "site/cache")
            theirs = []
            for each in range(number):
                seen.append(run(job.side()))
                if each % EVERY == 0:
                    theirs.append(run(base))
            after, cache_after = leftovers.settled(before, work), weight(work / "site/cache")
            fetched = sum(each.bytes for each in server.requests()) / SIZE
    seen = seen[1:]
    left = [
        *leftovers.rows(before, after),
        ["the cache", cache, cache_after],
        ["in a job's scratch folder, beside its record and input", "", f"{job.left} files"],
    ]
    return Result(
        tables=[
            _times(seen, theirs),
            Table("", ["", "after the first", "after the last"], left),
        ],
        plot=lines.plot([Course(OURS, _course(seen, 1), ours=True), Course(BARE, _course(theirs, EVERY))]),
        rounds=f"{number} jobs, each in a fresh scratch folder; the input was fetched {fetched:.3g} times",
        failed=failed(seen) + failed(theirs),
    )


class Jobs:
    """Jobs in fresh scratch folders; left is how many files they left there that nobody expects."""

    def __init__(self, scratch: Path, site: Path, place: str) -> None:
        self._scratch, self._site, self._place = scratch, site, place
        self.left = 0

    def side(self) -> Side:
        side = cached(self._scratch, self._site, self._place)
        return side._replace(prepare=self._renew, check=self._look)

    def _renew(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir()

    def _look(self) -> bool:
        self.left += len({path.name for path in leftovers.files(self._scratch)} - EXPECTED)
        return True


def weight(folder: Path) -> str:
    """Files and their bytes, in words."""
    found = [path for path in leftovers.files(folder) if path.is_file()]
    return f"{len(found)} files, {megabytes(sum(path.stat().st_size for path in found))}"


def _times(seen: list[Run], theirs: list[Run]) -> Table:
    """The first against the last hundred of jobwrap's, and the bare ones beside them."""
    part = min(100, len(seen) // 2)
    few = max(1, part // EVERY)
    head = ["", f"first {part}, p50", "p90", f"last {part}, p50", "p90", "all, p50", "failed"]
    rows = []
    for name, runs, size in ((OURS, seen, part), (BARE, theirs, few)):
        first, last = _walls(runs[:size]), _walls(runs[-size:])
        figures = [median(first), p90(first), median(last), p90(last), median(_walls(runs))]
        rows.append([name, *map(seconds, figures), str(failed(runs))])
    return Table("", head, rows)


def _walls(runs: Sequence[Run]) -> list[float]:
    return [each.wall for each in runs]


def _course(runs: list[Run], step: int) -> list[tuple[float, float]]:
    """The medians of some 50 stretches, by the number of jobs before them."""
    size = max(1, len(runs) // 50)
    return [(start * step, median(_walls(runs[start : start + size]))) for start in range(0, len(runs), size)]

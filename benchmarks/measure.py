"""Runs of programs, in turn, and what many of them come to."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, NamedTuple

ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8"}


class Side(NamedTuple):
    """One program of a comparison.

    words    the program and its arguments
    folder   where it runs
    prepare  called before the clock starts
    check    called after it stopped: whether the work was done; an exit code of 0 is asked for in any case
    """

    words: tuple[str, ...]
    folder: Path
    prepare: Callable[[], object] = lambda: None
    check: Callable[[], bool] = lambda: True


class Run(NamedTuple):
    """Seconds of wall, and of CPU with that of all that was waited for; whether the work was done."""

    wall: float
    cpu: float
    good: bool


class Effort(NamedTuple):
    """How much is run: quick shows only that all works; runs is how many follow one another, None for all."""

    quick: bool = False
    runs: int | None = None


def run(side: Side) -> Run:
    """Runs it once; a bad run's last words go to stderr."""
    side.prepare()
    with tempfile.TemporaryFile() as words:
        process, started = start(side, words), time.monotonic()
        seen = end(process, started)
        seen = seen._replace(good=seen.good and side.check())
        if not seen.good:
            words.seek(0)
            said = words.read().decode(errors="replace").splitlines()
            print(
                f"failed: {' '.join(side.words)[:200]}", *said[-5:], sep="\n  ", file=sys.stderr, flush=True
            )
    return seen


def start(side: Side, stderr: int | IO[bytes] = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    """Its process, whose end nobody but end() may wait for."""
    null = subprocess.DEVNULL
    return subprocess.Popen(
        side.words, cwd=side.folder, env=ENVIRONMENT, stdin=null, stdout=null, stderr=stderr
    )


def end(process: subprocess.Popen[bytes], started: float) -> Run:
    """Waits for a program that was started at this moment of time.monotonic()."""
    _, status, used = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    return Run(wall, used.ru_utime + used.ru_stime, process.returncode == 0)


def in_turn(sides: dict[str, Side], rounds: int, *, warm: bool = True) -> dict[str, list[Run]]:
    """All sides, round after round, every other one backwards; a round to warm up does not count."""
    runs: dict[str, list[Run]] = {name: [] for name in sides}
    names = list(sides)
    for number in range(-1 if warm else 0, rounds):
        for name in names if number % 2 else reversed(names):
            seen = run(sides[name])
            if number >= 0:
                runs[name].append(seen)
    return runs


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def p90(values: Iterable[float]) -> float:
    """The least value that nine in ten do not exceed."""
    ordered = sorted(values)
    return ordered[int(0.9 * (len(ordered) - 1) + 0.5)]


def ratio(runs: list[Run], base: list[Run]) -> float:
    """The median over the rounds of a side's wall time by its base's in the same round."""
    return median(mine.wall / its.wall for mine, its in zip(runs, base))

"""A task under each runtime that the node has: nothing is left of it, and a matrix tells what held where."""

import os
import re
import subprocess
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from tests.conftest import TREE

SANDBOX = {"shell": "htc/debian:12", "no shell": "htc/static:1"}
# How a task is run: the words for it; those of an image are put after them.
WAYS = {
    "apptainer": ("--runtime", "apptainer"),
    "apptainer SIF": ("--runtime", "apptainer"),
    "bwrap": ("--runtime", "bwrap"),
    "here": ("--here",),
}
_STORED = ("--mksquashfs-args", "-noI -noD -noF -noX")  # a tenth of the time that packing takes


class Left(NamedTuple):
    """What a run can leave on a node."""

    processes: frozenset
    mounts: frozenset
    files: frozenset

    def beyond(self, before):
        return {name: mine - other for name, mine, other in zip(self._fields, self, before) if mine - other}


def look():
    """What there is now, of the whole node."""
    folders = ("/tmp", "/var/tmp", "/dev/shm", os.path.expanduser("~"))
    return Left(
        frozenset(_processes()),
        frozenset(Path("/proc/self/mounts").read_text().splitlines()),
        frozenset(str(path) for folder in folders for path in Path(folder).glob("*jobwrap*")),
    )


def _processes():
    for each in psutil.process_iter():
        try:
            words = each.cmdline()
            if words and each.status() != psutil.STATUS_ZOMBIE:
                yield f"{each.pid} {' '.join(words[:3])}"
        except psutil.NoSuchProcess:
            pass


def nothing_left(before, seconds=0.0):
    """What is left still after so many seconds: {} for nothing."""
    deadline = time.monotonic() + seconds
    while (left := look().beyond(before)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


class Task:
    """Runs a task one way; calling it gives (code, stdout, the record's end)."""

    def __init__(self, way, jobwrap, images):
        self.way, self.jobwrap, self.scratch = way, jobwrap, jobwrap.scratch
        self._images = images
        self.before = look()
        self.patience = 0.0
        self._started = []

    def words(self, image="shell"):
        return (*WAYS[self.way], *(("--image", self._images(self.way, image)) if self.way != "here" else ()))

    def __call__(self, *words, image="shell", **kwargs):
        ran = self.jobwrap.run(*self.words(image), *words, **kwargs)
        return ran.code, ran.stdout, ran.record["end"]

    def start(self, *words, **kwargs):
        self._started.append(self.jobwrap.start(*self.words(), *words, **kwargs))
        return self._started[-1]

    def start_until(self, there, *words, **kwargs):
        """Started, and the task has made this file."""
        started = self.start(*words, **kwargs)
        wait_for((self.scratch / there).exists)
        return started

    def kill(self, started):
        """Ends jobwrap by SIGKILL; the keeper then has some seconds to end the rest."""
        self.patience = 30.0
        started.kill()
        started.communicate()

    def close(self):
        """Ends what a failed test left."""
        for each in self._started:
            if each.poll() is None:
                self.kill(each)


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def images(tmp_path_factory):
    """way, "shell" or "no shell" → the image; a SIF is made from the sandbox when it is first asked for."""
    made = {}

    def image(way, kind):
        if "SIF" not in way:
            return SANDBOX[kind]
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp("sif") / f"{kind.replace(' ', '-')}.sif"
            sandbox = f"{TREE}/{SANDBOX[kind]}"
            subprocess.run(["apptainer", "-s", "build", *_STORED, made[kind], sandbox], check=True)
        return str(made[kind])

    return image


@pytest.fixture(params=[way for way in WAYS if way != "here"])
def job(request, jobwrap, images):
    """A task in a container under one runtime; in the end nothing is left of it on the node."""
    yield from _task(request.param, jobwrap, images)


@pytest.fixture(params=list(WAYS))
def task(request, jobwrap, images):
    """The same, and once without a container."""
    yield from _task(request.param, jobwrap, images)


def _task(way, jobwrap, images):
    run = Task(way, jobwrap, images)
    yield run
    run.close()
    assert nothing_left(run.before, run.patience) == {}
    if not run.patience:
        assert not (run.scratch / ".jobwrap").exists()


# Case → way → how it went.
_matrix = defaultdict(dict)


def pytest_runtest_logreport(report):
    found = re.fullmatch(r"([^\[]*)\[(.*)\]", report.nodeid.rpartition("::")[2])
    if not found or (report.when != "call" and report.passed):
        return
    way = next((way for way in sorted(WAYS, key=len, reverse=True) if _has(found[2], way)), None)
    if way:
        case = f"{found[1].removeprefix('test_').replace('_', ' ')} {_without(found[2], way)}"
        went = _matrix[case]
        went[way] = report.outcome if went.get(way, "passed") == "passed" else went[way]


def _has(parameters, way):
    return re.search(rf"(^|-){re.escape(way)}(-|$)", parameters) is not None


def _without(parameters, way):
    return re.sub(rf"(^|-){re.escape(way)}(-|$)", r"\1", parameters).strip("-")


def pytest_terminal_summary(terminalreporter):
    if not _matrix:
        return
    terminalreporter.section("what held under which runtime")
    terminalreporter.line("".join(f"{way:>15}" for way in WAYS))
    marks = {"passed": "yes", "failed": "NO", "skipped": "-"}
    for case, went in _matrix.items():
        row = "".join(f"{marks[went[way]] if way in went else '':>15}" for way in WAYS)
        terminalreporter.line(f"{row}   {case}")

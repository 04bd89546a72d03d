"""What a cgroup tells, by trees recorded on Linux 6.1 with real cgroups, and where it is not believed."""

import os
import random
import shutil
from pathlib import Path

import pytest

from jobwrap.launch.usage.cgroup import Peaks, find_cgroup
from jobwrap.launch.usage.figures import Figures
from jobwrap.launch.usage.sources import Sources

TREES = Path(__file__).parent / "trees"
MIB = 1 << 20
V2, V1 = "cgroup-v2", "cgroup-v1"
JOBWRAP = {V2: 689, V1: 697}
KEEPER = {V2: 690, V1: 698}


@pytest.fixture
def tree(tmp_path):
    """Copies a recorded tree to a folder where it may be changed."""

    def copied(name):
        shutil.copytree(TREES / name, tmp_path / name)
        return tmp_path / name

    return copied


def found(root, name):
    return find_cgroup(JOBWRAP[name], str(root))


def test_v2_tells_everything():
    figures = found(TREES / V2, V2).figures()
    assert 100 * MIB < figures.memory < 120 * MIB  # the task's, without the 30 MiB of file cache
    assert (figures.read, figures.written) == (1024, 30 * MIB)
    assert (figures.processes, figures.threads) == (1, 1)  # without jobwrap and its keeper
    assert 1 < figures.cpu < 5


def test_v1_tells_all_but_io():
    figures = found(TREES / V1, V1).figures()
    assert 100 * MIB < figures.memory < 120 * MIB
    assert (figures.read, figures.written, figures.processes, figures.threads) == (None, None, 1, 1)
    assert 1 < figures.cpu < 5


@pytest.mark.parametrize(("name", "threads"), [(V2, 1), (V1, None)])
def test_the_highest_use_of_memory_has_the_file_cache_in_it(name, threads):
    peaks = found(TREES / name, name).peaks()
    assert peaks == Peaks(memory=peaks.memory, threads=threads, oom_kills=0)
    assert peaks.memory > 150 * MIB


@pytest.mark.parametrize(
    ("name", "file", "text"),
    [
        (V2, "slot/memory.events", "low 0\nhigh 0\nmax 257\noom 1\noom_kill 2\noom_group_kill 0\n"),
        (V1, "memory/slot/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
    ],
)
def test_processes_that_were_killed_for_memory_are_counted(tree, name, file, text):
    root = tree(name)
    (root / "sys/fs/cgroup" / file).write_text(text)
    assert found(root, name).peaks().oom_kills == 2


@pytest.mark.parametrize(("name", "file"), [(V2, "slot/cgroup.procs"), (V1, "memory/slot/cgroup.procs")])
@pytest.mark.parametrize("stranger", [1, 0])  # 0: one outside of this PID namespace
def test_a_cgroup_with_anybody_else_in_it_is_not_believed(tree, name, file, stranger):
    root = tree(name)
    with (root / "sys/fs/cgroup" / file).open("a") as members:
        members.write(f"{stranger}\n")
    assert found(root, name) is None


def test_somebody_in_a_cgroup_below_is_somebody_else(tree):
    root = tree(V2)
    below = root / "sys/fs/cgroup/slot/other"
    below.mkdir()
    (below / "cgroup.procs").write_text("1\n")
    assert found(root, V2) is None


def test_v1_without_the_jobs_own_cpuacct_leaves_cpu_to_others(tree):
    root = tree(V1)
    (root / "sys/fs/cgroup/cpuacct/slot/cgroup.procs").write_text("1\n")
    assert found(root, V1).figures().cpu is None


def test_in_a_container_that_sees_only_its_own_cgroup_that_is_the_mount_point(tree):
    root = tree(V2)
    for path in (root / "sys/fs/cgroup/slot").iterdir():
        path.rename(root / "sys/fs/cgroup" / path.name)
    for path in ("/", "/../../pod", "/kubepods/pod1/abc"):
        (root / "proc/self/cgroup").write_text(f"0::{path}\n")
        assert found(root, V2).figures().processes == 1


def test_the_cgroup_of_the_whole_machine_has_no_figures(tree):
    root = tree(V2)
    (root / "proc/self/cgroup").write_text("0::/\n")
    assert found(root, V2) is None


def test_what_the_cgroup_does_not_tell_the_processes_do(tree):
    root = tree(V2)
    os.remove(root / "sys/fs/cgroup/slot/io.stat")  # that controller is off
    me = os.getpid()  # in the place of jobwrap
    (root / f"proc/{me}/task/{me}").mkdir(parents=True)
    (root / f"proc/{me}/task/{me}/children").write_text("690 ")
    (root / "sys/fs/cgroup/slot/cgroup.procs").write_text(f"{me}\n690\n691\n")
    sources = Sources(KEEPER[V2], str(root))
    assert sources.read().written == 30 * MIB
    assert {figure: sources.told[figure] for figure in ("memory", "written")} == {
        "memory": "cgroup v2",
        "written": "/proc",
    }


def test_files_of_nonsense_tell_nothing_and_break_nothing(tree):
    rng = random.Random(5)
    pieces = ["usage_usec", " ", "\n", "-1", "max", "9" * 300, "é", "\0", "8:0 rbytes=", "x", "anon ", "²"]
    for name in (V2, V1):
        root = tree(name)
        files = [path for path in (root / "sys").rglob("*") if path.is_file() and path.name != "cgroup.procs"]
        for _ in range(50):
            for path in files:
                path.write_text("".join(rng.choices(pieces, k=rng.randrange(6))))
            cgroup = found(root, name)
            if cgroup:
                assert isinstance(cgroup.figures(), Figures)
                assert isinstance(cgroup.peaks(), Peaks)

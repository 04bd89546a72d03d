"""What a cgroup tells, by trees recorded on Linux 6.1 with real cgroups, and where it is not believed."""

import os
import random
import shutil
from pathlib import Path

import pytest

from jobwrap.launch.usage.account import Account
from jobwrap.launch.usage.cgroup import Peaks, find_cgroup
from jobwrap.launch.usage.figures import Figures
from jobwrap.launch.usage.processes import Processes
from jobwrap.launch.usage.sources import Sources
from jobwrap.node.cgroup import oom_kills

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


@pytest.fixture
def sources(tree):
    """The sources of a recorded tree in which this process has the place of jobwrap."""

    def of(name, oom_kills=0, without=()):
        root, me = tree(name), os.getpid()
        for file in without:
            os.remove(root / "sys/fs/cgroup" / file)
        (root / f"proc/{me}/task/{me}").mkdir(parents=True)
        (root / f"proc/{me}/task/{me}/children").write_text(f"{KEEPER[name]} ")
        for members in root.rglob("cgroup.procs"):
            members.write_text(members.read_text().replace(str(JOBWRAP[name]), str(me)))
        return Sources(KEEPER[name], oom_kills=oom_kills, root=str(root)), root / "sys/fs/cgroup"

    return of


def test_what_the_cgroup_does_not_tell_the_processes_do(sources):
    of_tree, _ = sources(V2, without=["slot/io.stat"])  # that controller is off
    assert of_tree.read().written == 30 * MIB
    assert (of_tree.told["memory"], of_tree.told["written"]) == ("cgroup v2", "/proc")


def test_what_the_cgroup_had_counted_before_the_task_is_not_the_tasks(sources):
    of_tree, folder = sources(V2)
    first = of_tree.read()
    assert (first.read, first.written) == (1024, 30 * MIB)
    assert first.cpu == Processes(KEEPER[V2], str(folder.parents[2])).figures().cpu
    (folder / "slot/cpu.stat").write_text("usage_usec 1002960000\n")
    (folder / "slot/io.stat").write_text(f"8:0 rbytes=1024 wbytes={40 * MIB}\n9:0 rbytes=5 wbytes=5\n")
    later = of_tree.read()
    assert later.cpu > 900
    assert (later.read, later.written) == (1024 + 5, 40 * MIB + 5)
    assert set(of_tree.told.values()) == {"cgroup v2"}


def test_peaks_and_kills_of_the_time_before_the_task_are_not_the_tasks(sources):
    of_tree, folder = sources(V2, oom_kills=1)
    (folder / "slot/memory.events").write_text("oom_kill 1\n")
    assert of_tree.peaks() == Peaks(None, None, 0)
    (folder / "slot/memory.events").write_text("oom_kill 3\n")
    (folder / "slot/memory.peak").write_text("999999999\n")
    (folder / "slot/pids.peak").write_text("9\n")
    assert of_tree.peaks() == Peaks(999999999, 7, 2)


def test_a_task_that_was_killed_for_memory_had_used_all_of_it(sources, tmp_path):
    of_tree, folder = sources(V2)
    account = Account(of_tree, str(tmp_path), ())
    sampled = account.take(1, 1).memory
    (folder / "slot/memory.peak").write_text("999999999\n")
    assert account.result()["peak_memory"] == sampled
    (folder / "slot/memory.events").write_text("oom_kill 1\n")
    assert account.result()["peak_memory"] == 999999999


def test_a_cgroup_of_the_tasks_own_counts_for_it_from_the_start():
    folder = str(TREES / V2 / "sys/fs/cgroup/slot")
    of_tree = Sources(KEEPER[V2], folder, oom_kills=5, root=str(TREES / V2))
    figures = of_tree.read()
    assert (figures.written, figures.processes) == (30 * MIB, 2)  # without the keeper
    assert of_tree.peaks().memory > 150 * MIB and of_tree.peaks().oom_kills == 0


@pytest.mark.parametrize(("name", "kills"), [(V2, 0), (V1, 0)])
def test_the_kills_of_jobwraps_own_cgroup_are_told_before_anything_else_is_read(name, kills):
    assert oom_kills(str(TREES / name)) == kills


def test_where_there_is_no_cgroup_nobody_counts_kills(tmp_path):
    assert oom_kills(str(tmp_path)) is None


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

"""What was granted, by recorded trees of each kind of cgroup; what scratch is good for, by real folders."""

import os
import random
from pathlib import Path

import pytest

from jobwrap.node.cgroup import find_limits, memory_total, own_cgroups
from jobwrap.node.slot import count_list, find_slot

TREES = Path(__file__).parent / "trees" / "slot"
GIB = 1 << 30


@pytest.mark.parametrize(
    ("tree", "limits"),
    [
        ("cgroup-v2", ("cgroup v2", 8, 4 * GIB)),  # a cgroup above is tighter in cores
        ("pod", ("cgroup v2", 1, 2 * GIB)),
        ("outside", ("cgroup v2", None, 2 * GIB)),
        ("cgroup-v1", ("cgroup v1", 2, 2 * GIB)),
        ("cgroup-v1-unlimited", ("cgroup v1", None, None)),
        ("docker-v1", ("cgroup v1", 1, GIB)),
        ("hybrid", ("cgroup hybrid", None, 8 * GIB)),
        ("none", ("", None, None)),
        ("no-such-tree", ("", None, None)),
    ],
)
def test_the_tightest_limit_on_the_way_up_counts(tree, limits):
    assert find_limits(str(TREES / tree)) == limits


def test_a_process_has_a_cgroup_for_each_controller():
    assert own_cgroups(str(TREES / "cgroup-v1")) == {
        "pids": "/htcondor/slot1",
        "memory": "/htcondor/slot1",
        "cpu": "/htcondor/slot1",
        "cpuacct": "/htcondor/slot1",
        "name=systemd": "/system.slice",
    }
    assert memory_total(str(TREES / "cgroup-v1")) == 65780748 * 1024


@pytest.mark.parametrize(
    ("tree", "ad", "granted"),
    [
        ("cgroup-v2", {}, (8, 4 * GIB, None, "cpus: cgroup v2, memory: cgroup v2")),
        ("cgroup-v1", {}, (2, 2 * GIB, None, "cpus: cgroup v1, memory: cgroup v1")),
        ("none", {}, (1, None, None, "cpus: affinity")),
        ("hybrid", {}, (16, 8 * GIB, None, "cpus: affinity, memory: cgroup hybrid")),
        (
            "cgroup-v2",
            {"cpus": 4, "memory": 2048, "disk": 1000.5},
            (4, 2 * GIB, 1024512, "cpus: machine ad, memory: machine ad, disk: machine ad"),
        ),
        ("none", {"cpus": True, "memory": -1, "disk": 1e300}, (1, None, None, "cpus: affinity")),
    ],
)
def test_the_machine_ad_tells_what_was_granted_or_else_what_is_enforced(tree, ad, granted, tmp_path):
    slot = find_slot(ad, str(tmp_path), str(TREES / tree))
    assert (slot.cpus, slot.memory, slot.disk, slot.source) == granted


def test_a_pilot_tells_when_its_slot_ends(tmp_path):
    assert find_slot({"glidein_todie": 1700000000}, str(tmp_path), "/none").ends == 1700000000
    assert find_slot({}, str(tmp_path), "/none").ends is None


@pytest.mark.parametrize(
    ("text", "count"), [("0", 1), ("0-3,8", 5), ("", None), ("x", None), ("3-1", None), ("0-", None)]
)
def test_the_kernels_lists_are_counted(text, count):
    assert count_list(text) == count


def test_a_scratch_folder_tells_its_room(tmp_path):
    slot, room = find_slot({}, str(tmp_path)), os.statvfs(tmp_path)
    assert slot.writable and slot.executable
    assert abs(slot.free_disk - room.f_bavail * room.f_frsize) < GIB
    assert slot.free_inodes is None or slot.free_inodes > 0


def test_a_scratch_folder_that_is_not_there_is_good_for_nothing():
    slot = find_slot({}, "/no/such")
    assert not slot.writable and not slot.executable
    assert (slot.free_disk, slot.free_inodes) == (None, None)


@pytest.mark.node
def test_a_read_only_file_system_without_programs_says_so():
    slot = find_slot({}, "/sys")
    assert not slot.writable and not slot.executable


def test_no_cgroup_files_make_the_reading_fail(tmp_path):
    rng = random.Random(3)
    pieces = [
        "0::/",
        "1:memory:",
        "cpu",
        ":",
        "/a",
        "/..",
        "\n",
        "max ",
        "100000",
        "-1",
        "\0",
        "é",
        "9" * 5000,
    ]
    paths = ["proc/self/cgroup", "proc/self/status", "proc/meminfo"]
    paths += [f"sys/fs/cgroup/{name}" for name in ("cgroup.controllers", "memory.max", "cpu.max")]
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    for _ in range(100):
        for path in paths:
            text = "".join(
                rng.choices([*pieces, "MemTotal: ", "Cpus_allowed_list: ", "1-2"], k=rng.randrange(8))
            )
            (tmp_path / path).write_text(text)
        find_slot({}, str(tmp_path), str(tmp_path))

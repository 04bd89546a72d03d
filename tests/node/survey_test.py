"""One look at the machine: what it says of this one, and that odd input never makes it fail."""

import os
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.node.gpu import verify
from jobwrap.node.survey import survey

REPO = Path(__file__).parents[2]
TREES = Path(__file__).parent / "trees" / "cpu"


def test_this_machine_is_what_the_kernel_says(tmp_path):
    node = survey(os.environ, {}, str(tmp_path))
    system = os.uname()
    assert (node.hostname, node.machine, node.kernel) == (system.nodename, system.machine, system.release)
    assert node.slot.cpus <= len(os.sched_getaffinity(0))
    assert node.slot.free_disk > 0 and node.slot.writable and node.slot.executable


@pytest.mark.parametrize(
    ("tree", "machine", "kernel", "level"),
    [
        ("ivybridge", "x86_64", "3.10.0-1160.el7.x86_64", "x86-64-v2"),
        ("haswell", "x86_64", "5.14.0-427.13.1.el9_4.x86_64", "x86-64-v3"),
        ("skylake_avx512", "x86_64", "5.14.0-427.13.1.el9_4.x86_64", "x86-64-v4"),
        ("zen5", "x86_64", "6.12.0-55.9.1.el10_0.x86_64", "x86-64-v4"),
        ("neoverse_v1", "aarch64", "6.12.0-55.9.1.el10_0.aarch64", None),
        ("neoverse_n1", "aarch64", os.uname().release, None),
    ],
)
def test_another_machine_is_read_by_the_same_code(tree, machine, kernel, level, tmp_path):
    node = survey({"PATH": "/bin"}, {}, str(tmp_path), root=str(TREES / tree))
    assert (node.machine, node.kernel, node.cpu.level) == (machine, kernel, level)
    assert node.runtime is None and node.slot.cpus is None


@pytest.mark.parametrize("root", ["/nonexistent", "/proc/self/fd", "/dev/null"])
def test_a_machine_that_tells_nothing_is_unknown(root):
    node = survey({"PATH": ":\0:/bin", "CUDA_VISIBLE_DEVICES": ",,"}, {"cpus": "x"}, "/no\0where", root=root)
    assert (node.cpu.level, node.gpus.granted, node.runtime, node.slot.cpus) == (None, (), None, None)
    assert not node.slot.writable and not node.slot.executable


# What each would cost of a container's start, or more: see the budgets.
SLOW = {
    "dataclasses",
    "argparse",
    "subprocess",
    "pathlib",
    "logging",
    "tempfile",
    "shutil",
    "inspect",
    "ctypes",
}


def test_the_survey_imports_nothing_slow():
    program = "import sys; from jobwrap.node.survey import survey; print(*sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(REPO)!r}); {program}"]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert not SLOW & set(loaded)
    assert {"jobwrap.node.nvml", "jobwrap.node.smi", "jobwrap.node.trial", "cpuinfo"}.isdisjoint(loaded)


FILES = (
    "proc/cpuinfo",
    "proc/meminfo",
    "proc/1/cgroup",
    "proc/self/cgroup",
    "proc/self/status",
    "proc/sys/kernel/osrelease",
    "proc/sys/kernel/arch",
    "proc/driver/nvidia/version",
    "proc/driver/nvidia/gpus/0000:01:00.0/information",
    "sys/class/kfd/kfd/topology/nodes/1/gpu_id",
    "sys/class/kfd/kfd/topology/nodes/1/properties",
    "sys/class/kfd/kfd/topology/nodes/1/mem_banks/0/properties",
    "sys/fs/cgroup/cgroup.controllers",
    "sys/fs/cgroup/memory.max",
    "sys/fs/cgroup/cpu.max",
    "run/systemd/container",
)
PIECES = (
    *(
        b"flags\t: fpu lm",
        b"\n",
        b"\n\n",
        b": ",
        b" ",
        b"0",
        b"9" * 30,
        b"-1",
        b"max 1",
        b"0::/a/../b",
        b"\0",
    ),
    *(
        b"GPU UUID: GPU-?",
        b"GPU Excluded: Yes",
        b"unique_id 5",
        b"heap_type 1",
        b"size_in_bytes x",
        b"\xff\xfe",
    ),
    *(
        b"MemTotal: 4 kB",
        b"Cpus_allowed_list:\t0-",
        b"gfx_target_version 90010",
        b"545.23.06",
        b"1:memory:/x",
    ),
)


def test_no_tree_and_no_environment_make_the_survey_fail(tmp_path):
    rng = random.Random(4)
    for path in FILES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    names = ["PATH", "CUDA_VISIBLE_DEVICES", "_CONDOR_AssignedGPUs", "SINGULARITY_BIN", "CVMFS_BASE"]
    words = ["", "/", ":", ",", "all", "GPU-", "MIG-", "\udcff", "\0", "..", "/none", "0", "²"]
    for _ in range(100):
        for path in rng.sample(FILES, 4):
            (tmp_path / path).write_bytes(b"".join(rng.choices(PIECES, k=rng.randrange(6))))
        environ = {name: "".join(rng.choices(words, k=rng.randrange(4))) for name in names}
        environ["CVMFS_BASE"] = f"/none{environ['CVMFS_BASE']}"
        odd = rng.choice([None, "x", -1, [], 1e9])
        ad = dict.fromkeys(["cpus", "memory", "assignedgpus", "singularity_path"], odd)
        node = survey(environ, ad, str(tmp_path), root=str(tmp_path), deadline=5)
        with suppress(JobwrapError):
            verify(node.gpus)

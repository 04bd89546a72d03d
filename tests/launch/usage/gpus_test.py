"""What the granted GPUs do, asked of a library of our own in the place of NVIDIA's; not of the real one."""

import json
import os
import subprocess
import sys
import time

import pytest

from jobwrap.launch.usage import gpus
from jobwrap.launch.usage.gpus import GpuUse
from tests.conftest import REPO

A, B = "GPU-aaaaaaaa-0000-0000-0000-000000000001", "GPU-bbbbbbbb-0000-0000-0000-000000000002"
SLICE = "MIG-cccccccc-0000-0000-0000-000000000003"
# Id, bytes in use, percent busy, millijoules.
FIRST = [(A, 1 << 30, 50, 1_000_000), (B, 2 << 30, 0, 5_000), (SLICE, 1 << 20, None, None)]
SECOND = [(A, 3 << 30, 100, 3_500_000), (B, 1 << 30, 0, 5_000), (SLICE, 2 << 20, None, None)]


@pytest.fixture
def driver(monkeypatch):
    """Makes the driver's answers those of a function, however much CPU they cost on this machine."""
    monkeypatch.setattr(gpus, "_SHARE", 0)
    return lambda answer: monkeypatch.setattr(gpus, "_ask", answer)


def looked(use, at):
    """One look that asks, and one that takes the answer."""
    use.look(at)
    deadline = time.monotonic() + 30
    while use._asked:
        assert time.monotonic() < deadline
        use.look(at)


def test_of_each_granted_gpu_the_record_has_memory_use_and_energy(driver):
    use = GpuUse([A, SLICE])
    driver(lambda: FIRST)
    looked(use, 10)
    driver(lambda: SECOND)
    looked(use, 100)
    assert use.result() == [
        {"id": A, "peak_memory": 3 << 30, "busy": 0.75, "joules": 2500},
        {"id": SLICE, "peak_memory": 2 << 20, "busy": None, "joules": None},
    ]


@pytest.mark.parametrize(
    ("granted", "ids"),
    [
        (["0"], [A]),
        (["CUDA1"], [B]),
        (["GPU-bbbbbbbb"], [B]),
        (["GPU-bbb", "0"], [A, B]),
        (["7"], []),
        ([], []),
    ],
)
def test_only_what_was_granted_is_told_however_it_is_named(driver, granted, ids):
    driver(lambda: FIRST)
    use = GpuUse(granted)
    looked(use, 10)
    assert [each["id"] for each in use.result() or []] == ids


def test_it_is_asked_late_and_rarely(driver):
    driver(lambda: FIRST)
    use = GpuUse(["0"])
    for at in range(100):
        looked(use, at)
    assert len(use._told[A]) == 4  # after 5, 35, 65 and 95 seconds


def test_nobody_waits_for_a_driver_that_hangs_and_its_process_is_gone_at_the_end(driver):
    driver(lambda: time.sleep(600))
    use = GpuUse(["0"])
    began = time.monotonic()
    use.look(10)
    use.look(11)
    assert time.monotonic() - began < 300
    child = use._asked._child
    use.look(200)
    assert use._asked is None and use.result() is None
    with pytest.raises(ChildProcessError):
        while True:
            os.waitpid(child, 0)


@pytest.mark.parametrize("answer", [lambda: [], lambda: 1 / 0, lambda: os._exit(1)])
def test_without_an_answer_it_is_not_asked_again(driver, answer):
    driver(answer)
    use = GpuUse(["0"])
    looked(use, 10)
    assert use._next_at == float("inf") and use.result() is None


@pytest.mark.node
def test_the_calls_of_nvidias_library_are_those_of_its_header(tmp_path):
    library = tmp_path / "libnvidia-ml.so.1"
    source = REPO / "tests/node/fake_nvml.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
    program = "import json; from jobwrap.node import nvml; print(json.dumps(nvml.ask_use()))"
    environ = {"LD_LIBRARY_PATH": str(tmp_path), "PYTHONPATH": str(REPO)}
    told = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, check=True
    ).stdout
    mig = [("MIG-cccccccc-0000-0000-0000-000000000003", 1), ("MIG-dddddddd-0000-0000-0000-000000000004", 2)]
    assert json.loads(told) == [
        [A, 4 << 30, 12, 34_000],
        [B, 8 << 30, 12, 34_000],
        *([name, size << 30, None, None] for name, size in mig),
    ]

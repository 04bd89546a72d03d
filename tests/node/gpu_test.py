"""GPUs: what is there, what was granted, and that the two fit; by recorded trees and a library of our own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.node import amd, nvidia, smi
from jobwrap.node.device import Device, Told
from jobwrap.node.gpu import Gpus, find_gpus, is_among, read_grant, verify

TREES = Path(__file__).parent / "trees" / "gpu"
A, B = "GPU-8f1c2a64-5b3e-4d1f-9a77-0c1d2e3f4a5b", "GPU-8f1c2b99-1111-4222-8333-944455556666"
UNNAMED = "GPU-????????-????-????-????-????????????"
SLICE = "MIG-c7d0a1b2-0000-5000-8000-000000000000"


def tree(name):
    return str(TREES / name)


@pytest.mark.parametrize(
    ("name", "ids", "driver", "cuda"),
    [
        ("two-a100", [A, B], "535.129.03", "12.2"),
        ("excluded", [B], "580.65.06", "13.0"),
        ("fresh", [UNNAMED], "535.129.03", "12.2"),
        ("mig", [A], "550.54.15", "12.4"),
        ("driver-only", [], "535.129.03", "12.2"),
        ("mi250", [], "", ""),
    ],
)
def test_nvidias_driver_tells_its_gpus_and_version(name, ids, driver, cuda):
    assert [device.id for device in nvidia.find_devices(tree(name))] == ids
    assert nvidia.driver_version(tree(name)) == driver
    assert nvidia.cuda_of(driver) == cuda


def test_a_gpu_that_is_cut_into_slices_says_so():
    assert [device.mig for device in nvidia.find_devices(tree("mig"))] == [True]
    assert [device.mig for device in nvidia.find_devices(tree("two-a100"))] == [None, None]


@pytest.mark.parametrize("driver", ["", "x", "1.2", "9" * 5000, "-1.0"])
def test_a_driver_that_nobody_knows_has_no_cuda(driver):
    assert nvidia.cuda_of(driver) in ("", "13.1")
    assert nvidia.cuda_of("600.1") == "13.1"


@pytest.mark.parametrize(("driver", "cuda"), [("450.80.02", "11.0"), ("579.9", "12.9"), ("100.1", "")])
def test_a_drivers_branch_tells_its_newest_cuda(driver, cuda):
    assert nvidia.cuda_of(driver) == cuda


def test_amds_driver_tells_its_gpus_with_memory_and_architecture():
    found = amd.find_devices(tree("mi250"))
    assert [device.id for device in found] == ["GPU-8f3d7b2c5a1e4f60", "GPU-1122334455667788"]
    assert found[0][3:6] == ("aldebaran", 68702699520, "gfx90a")
    assert amd.driver_version(tree("mi250")) == "6.3.6"
    (without_id,) = amd.find_devices(tree("rx6800"))
    assert (without_id.id, without_id.capability) == ("0", "gfx1030")


@pytest.mark.parametrize("word", ["", "10000", "none", "NONE", "na", "-1", "NoDevFiles", "void", " "])
def test_the_usual_words_for_none_grant_nothing(word):
    assert read_grant(word) == ()


@pytest.mark.parametrize(
    ("value", "granted"),
    [
        ("0,1", ("0", "1")),
        (f"{A}, {B}", (A, B)),
        ("0,-1,1", ("0",)),
        ("GPU-8f1c2a64", ("GPU-8f1c2a64",)),
        ("CUDA0,CUDA1", ("CUDA0", "CUDA1")),
    ],
)
def test_a_grant_is_read_as_cuda_reads_it(value, granted):
    assert read_grant(value) == granted


@pytest.mark.parametrize(
    ("environ", "ad", "granted", "source"),
    [
        ({}, {}, (), ""),
        ({}, {"assignedgpus": "GPU-8f1c2a64"}, ("GPU-8f1c2a64",), "AssignedGPUs"),
        ({}, {"assignedgpus": None}, (), ""),
        ({"CUDA_VISIBLE_DEVICES": "10000"}, {"assignedgpus": "GPU-8f1c2a64"}, (), "CUDA_VISIBLE_DEVICES"),
        ({"GPU_DEVICE_ORDINAL": "7", "_CONDOR_AssignedGPUs": "0"}, {}, ("0",), "_CONDOR_AssignedGPUs"),
        ({"NVIDIA_VISIBLE_DEVICES": "all"}, {}, (A, B), "NVIDIA_VISIBLE_DEVICES"),
        ({"NVIDIA_VISIBLE_DEVICES": "void"}, {}, (), "NVIDIA_VISIBLE_DEVICES"),
    ],
)  # fmt: skip
def test_the_most_authoritative_word_counts(environ, ad, granted, source):
    found = find_gpus(environ, ad, tree("two-a100"))
    assert (found.vendor, found.granted, found.source) == ("nvidia", granted, source)
    assert (found.present, found.driver) == ((A, B), "535.129.03")


def test_amds_words_mean_amds_gpus():
    found = find_gpus({"ROCR_VISIBLE_DEVICES": "GPU-1122334455667788"}, {}, tree("mi250"))
    assert (found.vendor, found.driver) == ("amd", "6.3.6")
    verify(found)
    with pytest.raises(JobwrapError):
        verify(find_gpus({"ROCR_VISIBLE_DEVICES": "2"}, {}, tree("mi250")))


def test_all_of_no_gpus_is_none():
    assert find_gpus({"NVIDIA_VISIBLE_DEVICES": "all"}, {}, "/no/such") == Gpus(
        "", (), (), "NVIDIA_VISIBLE_DEVICES"
    )


@pytest.mark.parametrize(
    "granted",
    [
        ("0",), ("1", "0"), (A,), (A.lower(),), ("GPU-8f1c2a64",), ("CUDA1",),
        (f"MIG-{A}/7/0",), ("0:1",), (f"{A}:0",), (),
    ],
)  # fmt: skip
def test_a_granted_device_that_is_there_passes(granted):
    verify(Gpus("nvidia", granted, (A, B)))


@pytest.mark.parametrize("granted", ["2", "CUDA2", "GPU-8f1c2c", "GPU-", "x", "99999999999", "²", "2:0"])
def test_a_granted_device_that_is_not_there_is_the_sites_failure(granted):
    with pytest.raises(JobwrapError, match="no such device") as raised:
        verify(Gpus("nvidia", (A, granted), (A, B)))
    assert raised.value.failure.name == "site.no_gpu"
    assert raised.value.facts == {"granted": granted}


def test_a_grant_on_a_node_without_gpus_is_the_sites_failure():
    with pytest.raises(JobwrapError, match="granted GPU 0 "):
        verify(find_gpus({"CUDA_VISIBLE_DEVICES": "0"}, {}, tree("driver-only")))


def test_numbers_of_the_host_are_believed_in_a_container_that_sees_as_many():
    verify(Gpus("nvidia", ("3",), (A,), "NVIDIA_VISIBLE_DEVICES"))
    with pytest.raises(JobwrapError):
        verify(Gpus("nvidia", ("3", "4"), (A,), "NVIDIA_VISIBLE_DEVICES"))


@pytest.mark.parametrize(
    ("known", "granted", "missing"),
    [
        ([A, SLICE], (SLICE,), ""),
        ([A, SLICE], ("MIG-c7d0a1b2",), ""),
        ([A], (SLICE,), SLICE),
        (None, (SLICE,), ""),
        (None, ("GPU-8f1c2a64",), ""),
        ([A], ("GPU-8f1c2a64", "GPU-dead"), "GPU-dead"),
    ],
)
def test_what_the_kernel_cannot_name_is_asked_of_nvidias_library(monkeypatch, known, granted, missing):
    monkeypatch.setattr(nvidia, "ask_ids", lambda: known)
    gpus = Gpus("nvidia", granted, (UNNAMED,))
    if missing:
        with pytest.raises(JobwrapError) as raised:
            verify(gpus)
        assert raised.value.facts == {"granted": missing}
    else:
        verify(gpus)


def test_a_driver_that_does_not_answer_is_the_sites_failure(monkeypatch):
    import time

    monkeypatch.setattr(nvidia, "ask_ids", lambda: time.sleep(60))
    with pytest.raises(JobwrapError, match=r"the NVIDIA driver did not answer within 0\.1 s") as raised:
        verify(Gpus("nvidia", (SLICE,), (A,)), deadline=0.1)
    assert raised.value.failure.name == "site.gpu_broken"


LISTED = f"""GPU 0: NVIDIA A100-PCIE-40GB (UUID: {A})
GPU 1: NVIDIA H100 80GB HBM3 (UUID: {B})
  MIG 1g.10gb     Device  0: (UUID: {SLICE})
  MIG 1g.10gb     Device  1: (UUID: MIG-2)
"""


def test_nvidia_smi_is_read_where_there_is_no_library(tmp_path, monkeypatch):
    table = f"{A}, 40960, 535.129.03\n{B}, 81559, 535.129.03\n"
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncase $1 in -L) cat <<E\n{LISTED}E\n;; *) cat <<E\n{table}E\n;; esac\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert smi.ask() == Told(
        "535.129.03",
        "12.2",
        (
            Device("nvidia", A, 0, "NVIDIA A100-PCIE-40GB", 40960 << 20, mig=False),
            Device("nvidia", B, 1, "NVIDIA H100 80GB HBM3", 81559 << 20, mig=True),
            Device("nvidia", SLICE, 0, "1g.10gb", parent=B),
            Device("nvidia", "MIG-2", 1, "1g.10gb", parent=B),
        ),
    )


@pytest.mark.parametrize("script", ["exit 9", "echo '\\377(]'", ""])
def test_an_nvidia_smi_that_tells_nothing_makes_no_devices(tmp_path, monkeypatch, script):
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert smi.ask() in (None, Told("", "", ()))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A folder with a libnvidia-ml.so.1 of our own."""
    folder = tmp_path_factory.mktemp("nvml")
    source = Path(__file__).parent / "fake_nvml.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / "libnvidia-ml.so.1", source], check=True)
    return folder


def with_library(folder, program, **environ):
    return subprocess.run(
        [sys.executable, "-c", program],
        env={"LD_LIBRARY_PATH": str(folder), "PYTHONPATH": str(Path(__file__).parents[2]), **environ},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


@pytest.mark.node
def test_nvidias_library_tells_memory_capability_and_slices(library):
    program = "import json; from jobwrap.node import nvml; print(json.dumps(nvml.ask()))"
    driver, cuda, devices = json.loads(with_library(library, program))
    assert (driver, cuda) == ("550.54.15", "12.4")
    a, b = "GPU-aaaaaaaa-0000-0000-0000-000000000001", "GPU-bbbbbbbb-0000-0000-0000-000000000002"
    c, d = "MIG-cccccccc-0000-0000-0000-000000000003", "MIG-dddddddd-0000-0000-0000-000000000004"
    assert [Device(*each) for each in devices] == [
        Device("nvidia", a, 0, "Fake A", 40 << 30, "8.0", mig=False),
        Device("nvidia", b, 1, "Fake B", 80 << 30, "9.0", mig=True),
        Device("nvidia", c, 0, "Fake B MIG 1g.10gb", 10 << 30, "9.0", parent=b),
        Device("nvidia", d, 1, "Fake B MIG 2g.20gb", 20 << 30, "9.0", parent=b),
    ]


@pytest.mark.node
def test_a_slice_is_confirmed_by_the_library_and_a_hung_one_costs_its_deadline(library):
    program = """if True:
        import os
        from jobwrap.failures import JobwrapError
        from jobwrap.node.gpu import Gpus, verify
        for granted in ("MIG-dddddddd", "MIG-eeeeeeee"):
            try:
                print(verify(Gpus("nvidia", (granted,), ("GPU-a",)), float(os.environ.get("DEADLINE", "60"))))
            except JobwrapError as error:
                print(error.failure.name)
        """
    assert with_library(library, program).split() == ["None", "site.no_gpu"]
    hung = with_library(library, program, FAKE_NVML_HANGS="1", DEADLINE="0.5")
    assert hung.split() == ["site.gpu_broken"] * 2
    assert with_library(library, program, FAKE_NVML_FAILS="1").split() == ["None"] * 2


def test_a_name_is_never_matched_by_nothing():
    assert not is_among("", (A,))
    assert not is_among("MIG-", (SLICE,))

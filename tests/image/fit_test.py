"""Whether a node has what an image needs, on recorded machines."""

import pytest

from jobwrap.image.fit import failing, judge, refusal, words
from jobwrap.image.needs import Need
from jobwrap.node.survey import survey
from tests.image.making import MACHINES


def machine(name, **facts):
    node = survey({}, {}, "/tmp", root=str(MACHINES / name))
    gpus = node.gpus._replace(**facts.pop("gpus", {}))
    return node._replace(gpus=gpus, **facts)


def verdict(node, what, value):
    return judge([Need(what, value, "a test")], node)[0]


@pytest.mark.parametrize(
    ("name", "level", "fits"),
    [
        ("k10", "x86-64-v2", False),
        ("ivybridge", "x86-64-v2", True),
        ("ivybridge", "x86-64-v3", False),
        ("haswell", "x86-64-v3", True),
        ("masked-haswell", "x86-64-v3", False),
        ("skylake_avx512", "x86-64-v4", True),
        ("zen5", "x86-64-v4", True),
        ("zen3", "x86-64-v4", False),
        ("zen5", "x86-64-v?(0x100000)", False),
        ("neoverse_n1", "x86-64-v2", None),
    ],
)
def test_a_cpu_of_a_generation_runs_its_levels(name, level, fits):
    assert verdict(machine(name), "level", level).fits is fits


def test_what_a_cpu_lacks_is_named():
    assert verdict(machine("masked-haswell"), "level", "x86-64-v3").has == "x86-64-v2 (without avx2, bmi2)"


@pytest.mark.parametrize(
    ("name", "value", "fits"),
    [
        ("haswell", "x86_64", True),
        ("haswell", "aarch64", False),
        ("neoverse_v1", "aarch64", True),
        ("neoverse_v1", "x86_64", False),
        ("haswell", "i386", None),
    ],
)
def test_a_program_of_another_architecture_does_not_run(name, value, fits):
    assert verdict(machine(name), "machine", value).fits is fits


@pytest.mark.parametrize(("kernel", "fits"), [("2.6.32-754.el6", False), ("3.2.0", True), ("", None)])
def test_a_kernel_must_not_be_older_than_libc_wants(kernel, fits):
    assert verdict(machine("haswell", kernel=kernel), "kernel", "3.2.0").fits is fits


GRANTED = {"vendor": "nvidia", "granted": ("0",)}


@pytest.mark.parametrize(
    ("driver", "condition", "fits"),
    [
        ("550.54.15", "cuda>=12.4", True),
        ("535.104", "cuda>=12.4", False),
        ("535.104", "cuda>=12.4 brand=tesla,driver>=535,driver<536", None),
        ("535.104", "cuda>=12.4 driver>=535,driver<536", True),
        ("525.60", "cuda>=12.4 brand=tesla,driver>=535,driver<536", False),
        ("999.1", "cuda>=12.4", True),
        ("1.0", "driver>=470", False),
        ("", "cuda>=12.4", None),
        ("550.1", "nonsense", None),
        ("550.1", "", None),
    ],
)
def test_nvidias_conditions_are_judged_by_the_driver(driver, condition, fits):
    assert verdict(machine("haswell", gpus={**GRANTED, "driver": driver}), "cuda", condition).fits is fits


def test_an_image_with_cuda_runs_where_no_gpu_was_granted():
    assert verdict(machine("haswell"), "cuda", "cuda>=99").fits is None


def test_the_architecture_is_complained_of_before_the_level_and_in_one_sentence():
    rows = [Need("kernel", "99.0", "k"), Need("level", "x86-64-v4", "l"), Need("machine", "aarch64", "m")]
    unmet = failing(judge(rows, machine("haswell", kernel="5.1")))
    error = refusal("htc/x:1", unmet)
    assert error.failure.name == "image.needs_cpu"
    assert "the image htc/x:1 needs a CPU of aarch64 (m) and this CPU has x86_64; run on" in error.sentence
    assert words(unmet) == "it needs a CPU of aarch64 (m) and this node has x86_64"

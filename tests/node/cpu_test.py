"""CPU levels, with archspec's own list of microarchitectures as the oracle."""

from importlib import import_module

import pytest

from jobwrap.node.cpu import read_cpu

BASE = "fpu cx8 cmov fxsr lm mmx sse sse2"
V2 = f"{BASE} cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"
V3 = f"{V2} abm avx avx2 bmi1 bmi2 f16c fma movbe xsave"
V4 = f"{V3} avx512f avx512bw avx512cd avx512dq avx512vl"


def cpu(flags):
    return read_cpu(f"processor\t: 0\nmodel name\t: M: 1\nflags\t\t: {flags}\n\nprocessor\t: 1\nflags\t: x\n")


@pytest.fixture
def archspec():
    return import_module("archspec.cpu")  # the worker node has it, the virtual environment does not


@pytest.mark.parametrize(
    ("flags", "level"),
    [(BASE, "x86-64-v1"), (V2, "x86-64-v2"), (V3, "x86-64-v3"), (V4, "x86-64-v4"), ("", None)],
)
def test_a_level_needs_all_its_features(flags, level):
    assert cpu(flags).level == level


@pytest.mark.parametrize("masked", V3.split()[15:])
def test_one_masked_feature_of_v3_makes_a_v2_even_with_avx512(masked):
    flags = " ".join(flag for flag in V4.split() if flag != masked)
    assert cpu(flags).level == "x86-64-v2"


@pytest.mark.parametrize("spelling", ["x86-64-v3", "x86_64-v3"])
def test_what_is_lacking_is_named_in_either_spelling(spelling):
    assert cpu(V2 + " avx xsave abm bmi1").lacks(spelling) == ("avx2", "bmi2", "f16c", "fma", "movbe")


def test_an_arm_cpu_has_features_and_no_level():
    arm = read_cpu("processor\t: 0\nFeatures\t: fp asimd sve\nCPU implementer\t: 0x41\n")
    assert (arm.level, arm.vendor, arm.features) == (None, "ARM", {"fp", "asimd", "sve"})


def test_a_text_that_is_no_cpuinfo_gives_an_unknown_cpu():
    assert read_cpu("\0\xff:\n:::").level is None


@pytest.mark.node
def test_this_machine_has_the_level_that_archspec_gives_it(archspec):
    with open("/proc/cpuinfo") as file:
        found = read_cpu(file.read())
    assert found.level.replace("x86-64-v", "x86_64_v") == archspec.host().generic.name


@pytest.mark.node
def test_every_x86_microarchitecture_of_archspec_gets_its_generic_level(archspec):
    seen = 0
    for target in archspec.TARGETS.values():
        if target.family.name != "x86_64" or target.vendor == "generic":
            continue
        names = " ".join(target.features)
        names += " " + BASE + (" pni" if "sse3" in target.features or "ssse3" in target.features else "")
        generic = target.generic.name
        wanted = "x86-64-v1" if generic == "x86_64" else generic.replace("x86_64_v", "x86-64-v")
        assert cpu(names).level == wanted, target.name
        seen += 1
    assert seen > 20

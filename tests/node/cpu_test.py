"""CPU levels and features, with archspec as the oracle."""

import random
from pathlib import Path

import pytest
from archspec.cpu import TARGETS
from archspec.cpu import detect as archspec

from jobwrap.node.cpu import LEVELS, find_cpu, normalise_level, read_cpu
from tests.fuzzing import rounds

TREES = Path(__file__).parent / "trees" / "cpu"
ROUNDS = rounds(3000)  # each is a text
BASE = "fpu cx8 cmov fxsr lm mmx sse sse2"
V2 = f"{BASE} cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"
V3 = f"{V2} abm avx avx2 bmi1 bmi2 f16c fma movbe xsave"
V4 = f"{V3} avx512f avx512bw avx512cd avx512dq avx512vl"


def cpu(flags):
    return read_cpu(f"processor\t: 0\nmodel name\t: M: 1\nflags\t\t: {flags}\n\nprocessor\t: 1\nflags\t: x\n")


def oracle(found, machine, monkeypatch):
    """archspec's name for the CPU that has these features, and its name for the level."""
    monkeypatch.setattr(archspec, "_machine", lambda: machine)
    key = "flags" if machine == "x86_64" else "Features"
    features = archspec._feature_set({key: " ".join(found.features)}, key=key)
    info = archspec.partial_uarch(vendor=found.vendor, features=features)
    monkeypatch.setattr(archspec, "detected_info", lambda: info)
    host = archspec.host()
    return host.name, host.generic.name.replace("x86_64_", "x86-64-").replace("x86_64", "x86-64-v1")


GENERATIONS = [
    ("k10", "k10", "x86-64-v1"),
    ("qemu64", "x86_64", "x86-64-v1"),
    ("nehalem", "nehalem", "x86-64-v2"),
    ("sandybridge", "sandybridge", "x86-64-v2"),
    ("ivybridge", "ivybridge", "x86-64-v2"),
    ("piledriver", "piledriver", "x86-64-v2"),
    ("masked-haswell", "ivybridge", "x86-64-v2"),
    ("haswell", "haswell", "x86-64-v3"),
    ("mic_knl", "mic_knl", "x86-64-v3"),
    ("zen", "zen", "x86-64-v3"),
    ("zen3", "zen3", "x86-64-v3"),
    ("skylake_avx512", "skylake_avx512", "x86-64-v4"),
    ("icelake", "icelake", "x86-64-v4"),
    ("sapphirerapids", "sapphirerapids", "x86-64-v4"),
    ("zen4", "zen4", "x86-64-v4"),
    ("zen5", "zen5", "x86-64-v4"),
]


@pytest.mark.parametrize(("tree", "generation", "level"), GENERATIONS)
def test_a_generation_has_the_level_that_archspec_gives_it(tree, generation, level, monkeypatch):
    found = find_cpu(str(TREES / tree))
    assert found.level == level
    assert oracle(found, "x86_64", monkeypatch) == (generation, level)


@pytest.mark.parametrize(
    ("tree", "model"),
    [
        ("neoverse_n1", "Neoverse-N1"),  # Graviton 2, Altra
        ("neoverse_v1", "Neoverse-V1"),  # Graviton 3
        ("neoverse_v2", "Neoverse-V2"),  # Graviton 4, Grace
        ("a64fx", "A64FX"),
        ("thunderx2", "ThunderX2"),
    ],
)
def test_an_arm_cpu_has_a_model_and_features_and_no_level(tree, model, monkeypatch):
    found = find_cpu(str(TREES / tree))
    assert (found.model, found.level) == (model, None)
    assert found.vendor == TARGETS[tree].vendor
    assert oracle(found, "aarch64", monkeypatch)[0] == tree


RECORDED = sorted(Path(archspec.__file__).parents[1].glob("json/tests/targets/linux-*"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name)
def test_a_machine_that_archspec_recorded_is_what_archspec_takes_it_for(path, tmp_path, monkeypatch):
    """Its own test data, as its package brings them; virtual machines with masked features among them."""
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").symlink_to(path)
    found = find_cpu(str(tmp_path))
    expected = path.name.rpartition("-")[2]
    machine = TARGETS[expected].family.name
    monkeypatch.setattr(archspec, "_machine", lambda: machine)
    monkeypatch.setattr(archspec, "open", lambda _: path.open(), raising=False)
    monkeypatch.setattr(archspec, "detected_info", archspec.proc_cpuinfo)
    host = archspec.host()
    assert host.name == expected
    if machine == "x86_64":
        assert found.level == normalise_level(host.generic.name)
        assert set(archspec.proc_cpuinfo().features) <= set(found.features) | {"sse3", "lzcnt"}
    else:
        assert found.level is None
    if machine in ("x86_64", "aarch64"):
        assert host.vendor in {found.vendor, "generic"}


def test_archspec_recorded_enough_generations():
    levels = {normalise_level(TARGETS[path.name.rpartition("-")[2]].generic.name) for path in RECORDED}
    assert {"x86-64-v1", "x86-64-v2", "x86-64-v3", "x86-64-v4"} <= levels and len(RECORDED) > 30


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if target.family.name == "x86_64"])
def test_every_x86_microarchitecture_of_archspec_gets_the_level_of_its_features(name, monkeypatch):
    features = set(TARGETS[name].features).union(*(each.features for each in TARGETS[name].ancestors))
    kernel_names = {{"sse3": "pni", "lzcnt": "abm"}.get(each, each) for each in features}
    found = cpu(" ".join([BASE, *kernel_names, *["pni"] * ("ssse3" in features)]))
    assert oracle(found, "x86_64", monkeypatch)[1] == found.level


def test_any_mix_of_features_gets_the_level_that_archspec_gives_it(monkeypatch):
    rng = random.Random(1)
    for _ in range(300):
        left_out = rng.sample(V4.split()[8:], rng.choice([0, 1, 1, 2, 6]))
        found = cpu(" ".join(flag for flag in V4.split() if flag not in left_out))
        # archspec takes SSSE3 for a proof of SSE3.
        if "pni" not in left_out:
            assert oracle(found, "x86_64", monkeypatch)[1] == found.level, left_out


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


@pytest.mark.parametrize("spelling", ["x86-64-v3", "x86_64-v3", "x86_64_v3", " X86-64-V3"])
def test_what_is_lacking_is_named_in_any_spelling(spelling):
    assert cpu(V2 + " avx xsave abm bmi1").lacks(spelling) == ("avx2", "bmi2", "f16c", "fma", "movbe")


def test_a_level_that_nobody_knows_is_lacking_as_a_whole():
    assert cpu(V4).lacks("x86-64-v5") == ("x86-64-v5",)
    assert cpu(V4).lacks("x86-64-v4") == ()


@pytest.mark.parametrize("name", ["x86_64", "x86-64", "x86_64-v1", "x86_64_v1"])
def test_the_bare_architecture_is_the_first_level(name):
    assert normalise_level(name) == LEVELS[0]


@pytest.mark.parametrize("name", ["", "v3", "x86-64-v0", "x86-64-v5", "aarch64", "x86_64-v33"])
def test_what_is_no_level_has_none(name):
    assert normalise_level(name) is None


def test_features_are_known_by_their_usual_names_too():
    haswell = find_cpu(str(TREES / "haswell"))
    assert all(map(haswell.has, ["SSE3", "pni", "lzcnt", "abm", "avx2", "sse4.2", "cmpxchg16b"]))
    assert not haswell.has("avx512f")
    assert find_cpu(str(TREES / "neoverse_n1")).has("lse")


def test_only_the_first_processor_is_read(tmp_path):
    (tmp_path / "proc").mkdir()
    first = (TREES / "haswell/proc/cpuinfo").read_text().split("\n\n")[0]
    (tmp_path / "proc/cpuinfo").write_text(first + "\n\n" + "x: y\n" * 1_000_000)
    assert find_cpu(str(tmp_path)).level == "x86-64-v3"


def test_no_text_makes_the_reading_fail():
    rng = random.Random(2)
    pieces = [
        "flags",
        "\t: ",
        V3,
        "fpu ",
        "\n",
        "\n\n",
        ":",
        "\0",
        "\ud800",
        "vendor_id",
        "CPU part",
        "é",
        " ",
    ]
    for _ in range(ROUNDS):
        found = read_cpu("".join(rng.choices(pieces, k=rng.randrange(20))))
        assert found.level in (None, *LEVELS)
        assert (found.level is None) == bool(found.lacks("x86-64-v1"))


@pytest.mark.node
def test_this_machine_has_the_level_that_archspec_gives_it():
    level = find_cpu().level
    assert level.replace("x86-64-v", "x86_64_v") == archspec.host().generic.name

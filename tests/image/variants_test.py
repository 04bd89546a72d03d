"""A catalog name's best variant on recorded machines, and why the others were not taken."""

import functools
import json
import shutil

import pytest

from jobwrap import look_around
from jobwrap.asked import read_asked
from jobwrap.dryrun import dry_run
from jobwrap.failures import JobwrapError
from jobwrap.image.choose import choose
from jobwrap.job.spec import Job
from jobwrap.settings import Settings
from tests.image.making import ARM, MACHINES, Tree, machine

NAME = "htc/analysis:1"
VARIANTS = [
    {"reference": NAME, "arch": "x86_64"},
    {"reference": f"{NAME}-v2", "level": "x86-64-v2"},
    {"reference": f"{NAME}-v3", "level": "x86_64_v3"},
    {"reference": f"{NAME}-v4", "level": "x86-64-v4"},
    {"reference": f"{NAME}-cuda", "level": "x86-64-v2", "gpu": "nvidia", "cuda": "12.4"},
    {"reference": f"{NAME}-arm", "arch": "aarch64"},
]


@pytest.fixture
def site(tmp_path):
    """A tree with all variants but none for Arm, and a catalog that names them."""
    tree = Tree(tmp_path / "cvmfs")
    for suffix, level in {"": "v1", "-v2": "v2", "-v3": "v3", "-v4": "v4", "-cuda": "v2"}.items():
        tree.add(NAME + suffix, level=level)
    tree.catalog = tmp_path / "catalog.json"
    tree.catalog.write_text(json.dumps({"default": NAME, "image": {NAME: {"variants": VARIANTS}}}))
    return tree


def chosen(site, node, image=NAME, **words):
    settings = Settings(catalog=str(site.catalog), deadline=20)
    return choose(Job(("sh",), image=image, **words), node, settings)


def taken(image):
    return image.tag.rpartition("/")[2]


@pytest.mark.parametrize(
    ("name", "variant"),
    [
        ("k10", "analysis:1"),
        ("ivybridge", "analysis:1-v2"),
        ("haswell", "analysis:1-v3"),
        ("masked-haswell", "analysis:1-v2"),
        ("skylake_avx512", "analysis:1-v4"),
        ("zen5", "analysis:1-v4"),
    ],
)
def test_a_cpu_gets_the_highest_level_that_it_has(site, name, variant):
    assert taken(chosen(site, machine(name, site.cvmfs))) == variant


def test_the_plan_says_why_the_others_were_not_taken(site):
    reasons = chosen(site, machine("ivybridge", site.cvmfs)).reasons
    assert f"{NAME}-v2 is the variant of {NAME} that fits this node best (x86-64-v2)" in reasons
    assert f"{NAME} was not taken: it asks for less than this node has" in reasons
    without = "without abm, avx2, bmi1, bmi2, fma, movbe"
    wanted = f"{NAME}-v3 was not taken: it needs x86-64-v3 (as the catalog says) and this node has x86-64-v2"
    assert f"{wanted} ({without})" in reasons
    assert any(each.startswith(f"{NAME}-arm was not taken: it needs a CPU of aarch64") for each in reasons)


@pytest.mark.parametrize(
    ("recorded", "others"),
    [
        (("ivybridge", "-v2"), {"-v3": "it needs x86-64-v3", "-v4": "it needs x86-64-v4"}),
        (("haswell", "-v3"), {"-v2": "it asks for less", "-v4": "it needs x86-64-v4"}),
        (("skylake_avx512", "-v4"), {"-v2": "it asks for less", "-v3": "it asks for less"}),
        (("zen5", "-v4"), {"-v3": "it asks for less", "-cuda": "it needs a GPU of nvidia"}),
    ],
)
def test_a_dry_run_on_a_recorded_node_picks_its_variant_and_says_why(
    site, tmp_path, monkeypatch, capsys, recorded, others
):
    """The whole dry run, whose survey reads the node under another root folder."""
    name, variant = recorded
    root, settings, scratch = tmp_path / "root", tmp_path / "site.json", tmp_path / "scratch"
    shutil.copytree(MACHINES / name, root)
    (root / "bin").mkdir()
    (root / "bin/apptainer").touch(0o755)
    settings.write_text(json.dumps({"node": {"catalog": str(site.catalog), "cvmfs": str(site.cvmfs)}}))
    scratch.mkdir()
    monkeypatch.setattr(look_around, "survey", functools.partial(look_around.survey, root=str(root)))
    words = ["--site", str(settings), "--dry-run", "--image", NAME, "--scratch", str(scratch), "--", "sh"]
    environ = {"PATH": "/bin"}
    dry_run(read_asked(words, environ), environ)
    said = capsys.readouterr().out
    assert f"because   {NAME}{variant} is the variant of {NAME} that fits this node best" in said
    assert f"image     {NAME}, sandbox {site.cvmfs}/" in said
    for other, why in others.items():
        assert f"because   {NAME}{other} was not taken: {why}" in said
    assert list(scratch.iterdir()) == []


def test_a_granted_gpu_goes_before_a_higher_level(site):
    node = machine("zen5", site.cvmfs)
    gpus = node.gpus._replace(vendor="nvidia", granted=("0",), present=("0",), driver="550.54")
    assert taken(chosen(site, node._replace(gpus=gpus))) == "analysis:1-cuda"
    older = chosen(site, node._replace(gpus=gpus._replace(driver="470.1")))
    assert taken(older) == "analysis:1-v4"
    assert any("this node has driver 470.1 (CUDA 11.4)" in reason for reason in older.reasons)


def test_a_gpu_that_was_not_granted_is_not_used(site):
    node = machine("zen5", site.cvmfs)
    image = chosen(site, node._replace(gpus=node.gpus._replace(vendor="nvidia", present=("0",))))
    assert taken(image) == "analysis:1-v4"
    assert any(reason.endswith("this node has no GPU granted") for reason in image.reasons)


@pytest.mark.parametrize("image", ["", "default"])
def test_no_name_gets_the_best_variant_of_the_default(site, image):
    found = chosen(site, machine("haswell", site.cvmfs), image)
    assert (taken(found), found.asked) == ("analysis:1-v3", NAME)
    assert f"the job names no image, and {NAME} is the default here" in found.reasons


def test_exactly_that_name_can_be_asked_for(site):
    assert taken(chosen(site, machine("zen5", site.cvmfs), exact=True)) == "analysis:1"


@pytest.mark.parametrize("image", ["docker://" + NAME, "hub.example.org/" + NAME])
def test_another_reference_has_no_variants(site, image):
    assert taken(chosen(site, machine("zen5", site.cvmfs), image)) == "analysis:1"


def test_a_variant_that_is_not_in_the_tree_is_passed_over(site):
    (site.root / f"{NAME}-v4").unlink()
    found = chosen(site, machine("zen5", site.cvmfs))
    assert taken(found) == "analysis:1-v3"
    assert any(f"{NAME}-v4 was not taken: there is no image" in reason for reason in found.reasons)


def test_an_image_that_needs_more_than_its_catalog_claims_is_passed_over(site):
    site.add("htc/liar:1", level="v4")
    site.catalog.write_text(
        json.dumps(
            {"image": {NAME: {"variants": [{"reference": "htc/liar:1", "level": "x86-64-v3"}, VARIANTS[0]]}}}
        )
    )
    found = chosen(site, machine("haswell", site.cvmfs))
    assert taken(found) == "analysis:1"
    assert any("needs x86-64-v4 (the ELF note of /lib/x86_64-linux-gnu" in each for each in found.reasons)


def test_no_variant_for_this_cpu_is_refused_with_what_the_least_of_them_needs(site):
    site.catalog.write_text(json.dumps({"image": {NAME: {"variants": VARIANTS[2:4]}}}))
    with pytest.raises(JobwrapError, match=r"needs x86-64-v3 \(as the catalog says\)") as raised:
        chosen(site, machine("ivybridge", site.cvmfs))
    assert (raised.value.failure.name, raised.value.failure.advice) == ("image.needs_cpu", "elsewhere")
    found = chosen(site, machine("ivybridge", site.cvmfs), ignore_needs=True)
    assert taken(found) == "analysis:1-v3"
    assert any(reason.startswith("ignored, as asked: it needs x86-64-v3") for reason in found.reasons)
    assert found.reasons[0].startswith(f"{NAME}-v3 was taken, as asked, although it needs x86-64-v3")


def test_an_image_alone_that_this_cpu_cannot_run_is_refused(site):
    with pytest.raises(JobwrapError) as raised:
        chosen(site, machine("ivybridge", site.cvmfs), f"{NAME}-v4")
    assert raised.value.failure.name == "image.needs_cpu"
    assert "this CPU has x86-64-v2 (without abm, " in raised.value.sentence


def test_an_arm_image_on_an_x86_node_is_refused_by_its_loader(site):
    site.add("htc/arm:1", machine=ARM)
    with pytest.raises(JobwrapError, match=r"needs a CPU of aarch64 \(/lib/ld-linux-aarch64"):
        chosen(site, machine("haswell", site.cvmfs), "htc/arm:1")
    assert taken(chosen(site, machine("neoverse_v1", site.cvmfs), "htc/arm:1")) == "arm:1"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "Expecting"),
        ("[]", "one table"),
        ('{"images": {}}', "has no key 'images'"),
        ('{"image": {"x": {"variants": []}}}', "list of variants"),
        ('{"image": {"x": {"variants": [{"reference": "y", "level": "v5"}]}}}', "level = 'v5' is not known"),
        ('{"image": {"x": {"variants": [{"reference": 1}]}}}', "must be a text"),
        ('{"image": {"x": []}}', "x must be a table"),
    ],
)
def test_a_broken_catalog_is_the_sites(site, text, problem):
    site.catalog.write_text(text)
    with pytest.raises(JobwrapError) as raised:
        chosen(site, machine("haswell", site.cvmfs))
    assert raised.value.failure.name == "site.settings"
    assert problem in raised.value.sentence


def test_a_catalog_on_cvmfs_is_found_where_cvmfs_is_mounted(site):
    (site.root / "catalog.toml").write_text(f'[image."htc/x:1"]\nvariants = [{{reference = "{NAME}-v2"}}]\n')
    settings = Settings(catalog=f"/cvmfs/{site.root.name}/catalog.toml", deadline=20)
    found = choose(Job(("sh",), image="htc/x:1"), machine("haswell", site.cvmfs), settings)
    assert taken(found) == "analysis:1-v2"

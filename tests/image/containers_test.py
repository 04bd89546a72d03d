"""The default images: their recipes pass the lint, the catalog names them, and their scripts work."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from jobwrap.image.catalog import load_catalog
from jobwrap.image.lint import lint

FOLDER = Path(__file__).parents[2] / "containers"
RECIPES = sorted(FOLDER.glob("*/recipe.def"))
TREE = "/cvmfs/singularity.opensciencegrid.org"


def test_there_is_a_base_for_each_system_one_with_numpy_and_one_for_gpus():
    assert {"debian-12", "debian-13", "rocky-9", "numpy", "torch"} <= {path.parent.name for path in RECIPES}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.parent.name)
def test_a_recipe_passes_the_lint_without_a_warning(path):
    assert lint(path.read_text()) == []


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.parent.name)
def test_a_recipes_sources_are_those_of_one_day_or_one_release(path):
    mirror = re.search(r"^MirrorURL: (.*)$", path.read_text(), re.MULTILINE)[1]
    assert re.search(r"/archive/debian/\d{8}T\d{6}Z/$|/vault/rocky/", mirror)


def test_every_python_package_is_named_with_its_checksum():
    lines = [line for line in (FOLDER / "torch/requirements.txt").read_text().splitlines() if line[0] != "#"]
    assert len(lines) > 20
    for line in lines:
        assert re.fullmatch(r"[\w.-]+==[\w.]+ --hash=sha256:[0-9a-f]{64}", line)


def test_the_catalog_names_each_recipe_by_its_labels():
    names = {variant.reference for entry in load_catalog().entries.values() for variant in entry.variants}
    for path in RECIPES:
        found = (re.search(rf"image\.{each} (.*)", path.read_text()) for each in ("title", "version"))
        assert ":".join(each[1] for each in found) in names


def test_the_catalogs_default_is_one_of_its_names():
    catalog = load_catalog()
    assert catalog.default in catalog.entries


def test_a_build_says_what_is_missing():
    ran = subprocess.run([FOLDER / "build", "no-such"], capture_output=True, text=True, check=False)
    assert ran.returncode in (66, 69)
    assert ran.stderr.startswith("build: ")


@pytest.mark.node
@pytest.mark.parametrize(
    ("name", "tag"), [("debian-12", "debian:12"), ("debian-13", "debian:13"), ("numpy", "numpy:2.2.4")]
)
def test_a_recipes_own_test_passes_on_the_image_of_its_name(tmp_path, name, tag):
    """What needs the network is left out: the bootstrap and the packages."""
    text = (FOLDER / name / "recipe.def").read_text()
    base = f"Bootstrap: localimage\nFrom: {TREE}/htc/{tag}"
    text = re.sub(r"^Bootstrap:.*?^Include: .*?$", base, text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^    apt-get .*(update|install).*$", "", text, flags=re.MULTILINE)
    (tmp_path / "x.def").write_text(text)
    build = ["apptainer", "-s", "build", "--sandbox", tmp_path / "image", tmp_path / "x.def"]
    subprocess.run(build, check=True)
    labels = json.loads((tmp_path / "image/.singularity.d/labels.json").read_text())
    title, version = (labels[f"org.opencontainers.image.{each}"] for each in ("title", "version"))
    assert f"{title}:{version}" == f"htc/{tag}"


@pytest.mark.node
def test_a_build_where_the_source_cannot_be_reached_ends_with_its_name():
    ran = subprocess.run([FOLDER / "build", "debian-12"], capture_output=True, text=True, check=False)
    assert ran.returncode == 69
    assert "snapshot.debian.org/archive/debian/" in ran.stderr

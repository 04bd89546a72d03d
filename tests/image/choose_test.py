"""The choice of an image, on trees of files: what is found, what is refused, and with which words."""

import os

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.image.choose import choose
from jobwrap.job.spec import Job
from jobwrap.settings import Settings
from tests.image.making import OSG, machine

CONTENT = "ab/" + "0" * 62


@pytest.fixture
def node(tmp_path):
    """A node whose CVMFS is mounted elsewhere, with htc/debian:12 and :13 in the tree."""
    tree = tmp_path / "cvmfs" / OSG
    (tree / ".images" / CONTENT / "bin").mkdir(parents=True)
    (tree / "htc").mkdir()
    for tag in ("debian:12", "debian:13"):
        (tree / "htc" / tag).symlink_to(f"/cvmfs/{OSG}/.images/{CONTENT}")
    return machine("haswell", tmp_path / "cvmfs")


def chosen(node, image, **settings):
    return choose(Job(("true",), image=image), node, Settings(deadline=20, **settings))


def refused(node, image, **settings):
    with pytest.raises(JobwrapError) as raised:
        chosen(node, image, **settings)
    return raised.value.failure.name, raised.value.sentence


@pytest.mark.parametrize(
    "image",
    [
        "htc/debian:12",
        "docker://htc/debian:12",
        "docker://hub.opensciencegrid.org/htc/debian:12",
        "hub.opensciencegrid.org:5000/htc/debian:12",
        f"/cvmfs/{OSG}/htc/debian:12",
    ],
)
def test_a_tag_is_pinned_to_its_content_path_wherever_cvmfs_is_mounted(node, image):
    found = chosen(node, image)
    assert found.path == f"{node.cvmfs}/{OSG}/.images/{CONTENT}"
    assert (found.asked, found.kind) == (image, "sandbox")
    assert (found.tag, found.content_id) == (f"/cvmfs/{OSG}/htc/debian:12", CONTENT.replace("/", ""))


def test_a_content_path_is_taken_as_it_is(node):
    found = chosen(node, f"/cvmfs/{OSG}/.images/{CONTENT}")
    assert (found.tag, found.content_id) == ("", CONTENT.replace("/", ""))


def test_a_path_under_the_other_mount_is_the_same_as_one_under_cvmfs(node):
    assert chosen(node, f"{node.cvmfs}/{OSG}/htc/debian:12").tag == f"/cvmfs/{OSG}/htc/debian:12"


def test_a_job_that_names_none_gets_the_sites_default(node):
    assert chosen(node, "", default_image="htc/debian:13").tag.endswith("debian:13")


def test_no_image_and_no_default_is_the_users(tmp_path, node):
    (tmp_path / "catalog.json").write_text("{}")
    assert refused(node, "", catalog=str(tmp_path / "catalog.json"))[0] == "image.none"


def test_a_wrong_name_is_answered_with_the_nearest(node):
    name, sentence = refused(node, "htc/debain:12")
    assert name == "image.not_found"
    assert "(the nearest: htc/debian:12, htc/debian:13)" in sentence


def test_a_wrong_namespace_is_answered_with_the_nearest(node):
    assert "htc/debian:12" in refused(node, "hct/debian:12")[1]


def test_a_tag_that_leads_nowhere_is_the_images(node):
    os.rmdir(f"{node.cvmfs}/{OSG}/.images/{CONTENT}/bin")
    os.rmdir(f"{node.cvmfs}/{OSG}/.images/{CONTENT}")
    assert refused(node, "htc/debian:12")[0] == "image.broken"


def test_an_empty_folder_is_no_image(tmp_path, node):
    (tmp_path / "empty").mkdir()
    assert refused(node, str(tmp_path / "empty"))[0] == "image.broken"


def test_a_file_that_is_no_sif_is_no_image(tmp_path, node):
    (tmp_path / "x.sif").write_bytes(b"no")
    assert refused(node, str(tmp_path / "x.sif"))[0] == "image.broken"


def test_a_path_that_is_not_there_is_not_found(node):
    assert refused(node, "/no/such/image")[0] == "image.not_found"


@pytest.mark.parametrize("image", ["htc/debian:12", f"/cvmfs/{OSG}/htc/debian:12"])
@pytest.mark.parametrize("there", [True, False])
def test_a_repository_that_is_not_mounted_is_the_sites(tmp_path, image, there):
    if there:
        (tmp_path / OSG).mkdir()
    name, sentence = refused(machine("haswell", tmp_path), image)
    assert name == "site.cvmfs_missing"
    assert f"{tmp_path}/{OSG} is not mounted" in sentence


@pytest.mark.parametrize("image", ["gopher://x/y", "a b", "x\0y"])
def test_what_cannot_be_run_is_refused_before_anything_is_read(image):
    assert refused(machine("haswell", "/no/such/mount"), image)[0] == "image.unsupported"


def test_a_site_of_the_tree_only_refuses_other_folders(tmp_path, node):
    (tmp_path / "mine" / "bin").mkdir(parents=True)
    assert chosen(node, "htc/debian:12", images="tree").kind == "sandbox"
    assert refused(node, str(tmp_path / "mine"), images="tree")[0] == "policy.forbidden"

"""jobwrap image, as people call it."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import REPO

PROGRAM = [sys.executable, str(REPO / "bin/jobwrap"), "image"]


@pytest.fixture
def image(tmp_path):
    def call(*words):
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8"}
        kept = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
        return subprocess.run([*PROGRAM, *map(str, words)], check=False, **kept)

    return call


@pytest.mark.parametrize(
    ("words", "code"), [((), 64), (("none",), 64), (("--help",), 0), (("show", "--help"), 0), (("show",), 64)]
)
def test_a_call_that_makes_no_sense_is_told_how(image, words, code):
    ran = image(*words)
    assert ran.returncode == code
    assert "jobwrap image" in ran.stdout + ran.stderr


def test_lint_prints_a_line_that_an_editor_can_follow_and_fails_on_errors_only(image, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM debian:12\nRUN mkdir /cvmfs\n")
    ran = image("lint", "Dockerfile")
    assert (ran.returncode, ran.stdout.count("\n")) == (0, 1)
    assert ran.stdout.startswith("Dockerfile:1: warning: the tag of the base debian:12 can be moved")
    assert image("lint", "--strict", "Dockerfile").returncode == 1
    (tmp_path / "Dockerfile").write_text("FROM debian\n")
    ran = image("lint", "--json", "Dockerfile")
    assert ran.returncode == 1
    assert [each["rule"] for each in json.loads(ran.stdout)] == ["mount.points", "base.unpinned"]


@pytest.mark.parametrize("name", ["none", "/", "text"])
def test_lint_of_what_is_no_recipe_is_a_failure_of_its_own(image, tmp_path, name):
    (tmp_path / "text").write_text("text\n")
    ran = image("lint", name)
    assert ran.returncode == 65
    assert ran.stderr.startswith(f"jobwrap: the job file {name} cannot be used: ")


def test_convert_writes_the_definition_file_and_says_what_it_left_out(image, tmp_path):
    (tmp_path / "Dockerfile").write_text("ARG TAG\nFROM debian:$TAG\nEXPOSE 80\n")
    ran = image("convert", "--arg", "TAG=12", "Dockerfile", "--output=x.def")
    assert (ran.returncode, ran.stdout) == (0, "")
    assert ran.stderr == "Dockerfile: line 3: EXPOSE is left out: it means nothing to a job\n"
    assert (tmp_path / "x.def").read_text().startswith("Bootstrap: docker\nFrom: debian:12\n")
    assert image("convert", "Dockerfile").returncode == 65


@pytest.mark.node
def test_list_tells_for_each_variant_whether_it_runs_here(image):
    text = image("list").stdout
    assert "htc/debian:12 (default): Debian 12\n    htc/debian:12  [x86_64]  taken here\n" in text
    assert "htc/torch:2.7.1  [x86_64, nvidia, cuda>=12.0]  no: it needs a GPU of nvidia" in text
    listed = {each["reference"]: each for each in json.loads(image("list", "--json").stdout)}
    assert listed["htc/numpy:2.2.4"]["taken"] and listed["htc/numpy:2.2.4"]["why"] == ""
    assert listed["htc/rocky:8"]["why"].startswith("there is no image htc/rocky:8")


@pytest.mark.node
def test_show_holds_each_need_against_this_node(image):
    ran = image("show", "htc/numpy:2.2.4", "--", "python3", "-c", "pass")
    assert ran.returncode == 0
    assert "program    /usr/bin/python3\n" in ran.stdout
    assert "glibc      2.41\n" in ran.stdout
    assert "needs      Linux 3.2.0 (the ABI tag of /lib/x86_64-linux-gnu/libc.so.6): yes, " in ran.stdout
    assert ran.stdout.endswith("runs here  yes\n")
    shown = json.loads(image("show", "--json", "htc/debian:12").stdout)
    assert {(need["what"], need["fits"]) for need in shown["needs"]} == {
        ("machine", True), ("level", True), ("kernel", True),
    }  # fmt: skip


@pytest.mark.node
def test_show_of_a_wrong_name_ends_as_a_job_would(image):
    ran = image("show", "htc/debain:12")
    assert ran.returncode == 66
    assert "the nearest: htc/debian:12" in ran.stderr


@pytest.mark.node
def test_the_site_that_is_named_first_is_obeyed(image, tmp_path):
    """Its catalog and its default image are what is listed, its policy what a shown image is held against."""
    catalog, site = tmp_path / "catalog.toml", tmp_path / "site.toml"
    catalog.write_text('[image."own/name:1"]\nvariants = [{ reference = "htc/debian:12" }]\n')
    site.write_text(
        f'[defaults]\nimage = "own/name:1"\n[node]\ncatalog = "{catalog}"\n[policy]\nimages = "tree"\n'
    )
    assert image("--site", site, "list").stdout == (
        "own/name:1 (default): \n    htc/debian:12  [any node]  taken here\n"
    )
    ran = image("--site", site, "show", "/")
    assert (ran.returncode, "policy.images" in ran.stderr) == (77, True)
    assert image("--site", tmp_path / "none.toml", "list").returncode == 78


@pytest.mark.node
def test_what_is_not_here_yet_is_not_said_to_run_here(image, tmp_path):
    ran = image("show", "oras://registry.example.org/a/b:1")
    assert ran.returncode == 0
    assert "sif        not on this node yet: oras://registry.example.org/a/b:1\n" in ran.stdout
    assert ran.stdout.endswith("runs here  unknown\n")
    assert json.loads(image("show", "--json", "docker://a.example.org/b/c:1").stdout)["runs_here"] is None

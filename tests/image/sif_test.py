"""What a SIF file tells without a mount: of made ones, and of one that the real Apptainer built."""

import subprocess

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.image.choose import choose
from jobwrap.image.sif import read_sif
from jobwrap.job.spec import Job
from jobwrap.settings import Settings
from tests.image.making import machine, make_sif, reader

DEFINITION = """Bootstrap: localimage
From: /cvmfs/singularity.opensciencegrid.org/htc/static:1
%labels
    org.supercontainers.hardware.cpu.target x86_64_v4
%environment
    export CUDA_VERSION=12.4.1
"""


def test_header_partition_labels_and_scripts_are_read():
    labels, scripts = {"a": "b", "c": 1}, {"/.singularity.d/env/90-environment.sh": "export X=1"}
    sif = read_sif(reader(make_sif(b"04", {"labels": labels, "environment": scripts})))
    assert (sif.machine, sif.id) == ("aarch64", bytes(range(16)).hex())
    assert (sif.labels, sif.scripts) == ({"a": "b"}, scripts)
    assert [(part.kind, part.file_system, part.primary) for part in sif.parts] == [
        ("metadata", "", False),
        ("partition", "squashfs", True),
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (make_sif()[:-1], "shorter than it should be"),
        (make_sif()[:100], "no SIF file"),
        (make_sif()[:5000], "no primary partition"),
        (make_sif(role=3), "no primary partition"),
        (make_sif().replace(b"SIF_MAGIC\x0001", b"SIF_MAGIC\x0009"), "unknown version"),
        (b"x" * 9999, "no SIF file"),
    ],
)
def test_a_file_that_is_cut_or_of_another_kind_is_refused_in_words(content, problem):
    with pytest.raises(ValueError, match=problem):
        read_sif(reader(content))


def chosen(path, name="haswell", **words):
    return choose(Job(("true",), image=str(path), **words), machine(name), Settings(deadline=20))


def test_a_sif_of_another_architecture_is_refused(tmp_path):
    (tmp_path / "x.sif").write_bytes(make_sif(b"04"))
    with pytest.raises(JobwrapError, match="needs a CPU of aarch64") as raised:
        chosen(tmp_path / "x.sif")
    assert raised.value.failure.name == "image.needs_cpu"
    assert chosen(tmp_path / "x.sif", "neoverse_n1").kind == "sif"


def test_a_transfer_that_was_cut_off_is_told_before_the_launch(tmp_path):
    (tmp_path / "x.sif").write_bytes(make_sif()[:-50])
    with pytest.raises(JobwrapError, match="its transfer was cut off"):
        chosen(tmp_path / "x.sif")


@pytest.mark.node
def test_a_sif_that_apptainer_built_tells_its_architecture_and_needs(tmp_path):
    (tmp_path / "x.def").write_text(DEFINITION)
    path = tmp_path / "x.sif"
    subprocess.run(["apptainer", "-s", "build", path, tmp_path / "x.def"], check=True)
    header = subprocess.run(["apptainer", "sif", "header", path], check=True, capture_output=True, text=True)
    sif = read_sif(reader(path.read_bytes()))
    assert sif.machine == "x86_64"
    assert sif.id in header.stdout.replace("-", "")
    with pytest.raises(JobwrapError, match=r"x86-64-v4 \(its label org.supercontainers"):
        chosen(path)
    needs = chosen(path, ignore_needs=True).needs
    assert [row.value for row in needs.rows if row.what == "cuda"] == ["cuda>=12.4"]

"""The host's driver libraries against the image's glibc, on made libraries."""

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.image import nvidia
from jobwrap.image.choose import choose
from jobwrap.image.nvidia import clashes, host_libraries, refusal
from jobwrap.job.spec import Job
from jobwrap.settings import Settings
from tests.image.making import Tree, machine, make_elf

FOLDER = "usr/lib/x86_64-linux-gnu"


@pytest.fixture
def host(tmp_path):
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    for name, version in {
        "libcuda.so.550.54": "GLIBC_2.27",
        "libcuda.so.1": "GLIBC_2.27",
        "libGLX.so.0": "GLIBC_2.34",
        "libnothing.so.1": "GLIBC_9.9",
    }.items():
        wanted = (("libc.so.6", "GLIBC_2.2.5"), ("libc.so.6", version), ("libX.so", "X_99"))
        (folder / name).write_bytes(make_elf(wanted=wanted))
    (folder / "libGL.so.1").write_bytes(b"no library")
    return tmp_path


def test_the_libraries_of_the_driver_are_those_that_nv_binds(host):
    names = [path.rpartition("/")[2] for path in host_libraries(str(host))]
    assert names == ["libGL.so.1", "libGLX.so.0", "libcuda.so.1", "libcuda.so.550.54"]


def test_apptainers_own_list_is_followed(host):
    (host / "etc/apptainer").mkdir(parents=True)
    (host / "etc/apptainer/nvliblist.conf").write_text("# libcuda.so\nnvidia-smi\nlibnothing.so\n")
    assert host_libraries(str(host)) == (f"/{FOLDER}/libnothing.so.1",)


@pytest.mark.parametrize(
    ("glibc", "names", "fatal"),
    [
        ("2.36", [], []),
        ("2.28", ["libGLX.so.0"], [False]),
        ("2.17", ["libGLX.so.0", "libcuda.so.1", "libcuda.so.550.54"], [False, True, True]),
        ("", [], []),
    ],
)
def test_a_library_that_needs_a_newer_glibc_than_the_image_has_is_named(host, glibc, names, fatal):
    found = clashes(host_libraries(str(host)), glibc, str(host))
    assert [clash.library.rpartition("/")[2] for clash in found] == names
    assert [clash.fatal for clash in found] == fatal


def test_the_refusal_names_the_library_the_versions_and_the_image(host):
    error = refusal("htc/old:6", "2.17", clashes(host_libraries(str(host)), "2.17", str(host)))
    assert error.failure.name == "image.driver_clash"
    assert f"(/{FOLDER}/libGLX.so.0) needs glibc 2.34 and the image htc/old:6 has 2.17" in error.sentence


@pytest.mark.parametrize(
    ("glibc", "granted", "said"),
    [("2.17", (), 0), ("2.17", ("0",), None), ("2.28", ("0",), 1), ("2.36", ("0",), 0)],
)
def test_a_job_is_refused_only_where_no_program_could_use_its_gpu(host, monkeypatch, glibc, granted, said):
    libraries = [f"{host}{path}" for path in host_libraries(str(host))]
    monkeypatch.setattr(nvidia, "host_libraries", lambda: libraries)  # seen by the probe, which is a fork
    tree = Tree(host / "cvmfs")
    tree.add("htc/x:1", glibc=glibc)
    node = machine("haswell", tree.cvmfs)
    node = node._replace(gpus=node.gpus._replace(vendor="nvidia", granted=granted))
    job = Job(("sh",), image="htc/x:1")
    if said is None:
        with pytest.raises(JobwrapError, match="libcuda") as raised:
            choose(job, node, Settings(deadline=20))
        assert raised.value.failure.name == "image.driver_clash"
        said, job = 3, job._replace(ignore_needs=True)
    reasons = choose(job, node, Settings(deadline=20)).reasons
    assert sum("it needs glibc" in reason for reason in reasons) == said

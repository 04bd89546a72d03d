"""What an image says it needs, from its own files, and which of these sayings counts."""

import pytest

from jobwrap.image.files import Files
from jobwrap.image.needs import Need, version_key
from jobwrap.image.reading import needs_of_variables, read_release, read_sandbox
from jobwrap.image.view import view_of
from tests.image.making import ARM, make_image

EL10 = 'NAME="AlmaLinux"\nID="almalinux"\nVERSION_ID="10.1"\n'


def needs(root):
    return read_sandbox(Files(view_of(("/", str(root)))))


def rows(found, what):
    return [row[1:] for row in found.rows if row.what == what]


def test_machine_level_kernel_and_glibc_come_from_loader_and_libc(tmp_path):
    found = needs(make_image(tmp_path, level="v3", os='ID=debian\nVERSION_ID="12"\n'))
    libc = "/lib/x86_64-linux-gnu/libc.so.6"
    assert rows(found, "machine") == [("x86_64", "/lib64/ld-linux-x86-64.so.2")]
    assert rows(found, "level") == [("x86-64-v3", f"the ELF note of {libc}")]
    assert rows(found, "kernel") == [("3.2.0", f"the ABI tag of {libc}")]
    assert (found.os, found.glibc) == ("debian 12", "2.36")


def test_an_arm_image_is_known_by_its_loader(tmp_path):
    found = needs(make_image(tmp_path, machine=ARM))
    assert (rows(found, "machine")[0][0], rows(found, "level")) == ("aarch64", [])


def test_a_release_tells_the_level_of_its_packages(tmp_path):
    found = needs(make_image(tmp_path, os=EL10))
    assert rows(found, "level")[-1] == ("x86-64-v3", "all packages of almalinux 10.1")


def test_a_rebuild_of_a_release_for_an_older_level_is_believed(tmp_path):
    found = needs(make_image(tmp_path, level="v2", os=EL10))
    assert [level for level, _ in rows(found, "level")] == ["x86-64-v2"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ID=debian\nVERSION_ID=12\n", ("debian 12", "")),
        ('ID="rocky"\nVERSION_ID="9.4"\n', ("rocky 9.4", "x86-64-v2")),
        ("ID=opensuse-leap\nVERSION_ID=16.0\n", ("opensuse-leap 16.0", "x86-64-v2")),
        ("ID=arch\n", ("arch", "")),
        ("", ("", "")),
        ('ID="rocky"\nVERSION_ID="' + "9" * 5000 + '"\n', ("rocky " + "9" * 5000, "")),
    ],
)
def test_the_release_is_read_from_os_release(text, found):
    assert read_release(text) == found


@pytest.mark.parametrize(
    ("labels", "need"),
    [
        ({"org.label-schema.build-arch": "arm64"}, ("machine", "aarch64")),
        ({"org.supercontainers.hardware.cpu.optimized.version": "skylake"}, ("level", "x86-64-v3")),
        ({"org.supercontainers.hardware.cpu.target": "x86_64_v4"}, ("level", "x86-64-v4")),
        ({"org.supercontainers.gpu": "cuda"}, ("gpu", "nvidia")),
        ({"org.supercontainers.gpu": "rocm"}, ("gpu", "amd")),
    ],
)
def test_labels_say_what_hardware_is_wanted(tmp_path, labels, need):
    (tmp_path / ".singularity.d").mkdir()
    found = needs(make_image(tmp_path, labels=labels))
    assert Need(*need, f"its label {next(iter(labels))}") in found.rows


@pytest.mark.parametrize(
    "labels", ["[]", "{", '{"org.supercontainers.gpu": 1}', "[" * 100_000, '{"a": ' * 90_000, "\0"]
)
def test_labels_that_are_none_say_nothing(tmp_path, labels):
    make_image(tmp_path)
    (tmp_path / ".singularity.d/labels.json").write_text(labels)
    assert rows(needs(tmp_path), "gpu") == []


def test_nvidias_own_condition_goes_before_the_version(tmp_path):
    condition = "cuda>=12.4 brand=tesla,driver>=470,driver<471"
    script = (
        "#!/bin/sh\n"
        f'export NVIDIA_REQUIRE_CUDA="${{NVIDIA_REQUIRE_CUDA:-"{condition}"}}"\n'
        'export CUDA_VERSION="${CUDA_VERSION:-"12.4.1"}"\n'
    )
    assert rows(needs(make_image(tmp_path, env=script)), "cuda") == [(condition, "its NVIDIA_REQUIRE_CUDA")]


def test_a_cuda_version_alone_is_a_condition_too():
    assert needs_of_variables({"CUDA_VERSION": "11.8.0"}) == [Need("cuda", "cuda>=11.8", "its CUDA_VERSION")]


def test_an_image_of_one_static_program_says_nothing(tmp_path):
    (tmp_path / "bin").mkdir()
    assert needs(tmp_path) == ((), "", "")


@pytest.mark.parametrize(
    ("text", "key"),
    [("5.14.0-427.el9.x86_64", (5, 14, 0)), ("6.18", (6, 18)), ("", ()), ("x", ()), ("1..2", (1, 2))],
)
def test_versions_are_compared_by_their_numbers(text, key):
    assert version_key(text) == key

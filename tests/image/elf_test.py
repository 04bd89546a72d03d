"""What ELF files say of themselves: made ones here, the compiler's and the image's own on the worker node."""

import re
import subprocess
from pathlib import Path

import pytest

from jobwrap.image.elf import Elf, read_elf, read_versions
from tests.image.making import ARM, make_elf, reader

TREE = Path("/cvmfs/singularity.opensciencegrid.org")
MAIN = "int main(void) { return 0; }"


def test_what_is_no_elf_file_is_none():
    assert read_elf(reader(b"#!/bin/sh\n")) is None


def test_a_dynamic_program_names_its_machine_loader_level_and_kernel():
    program = make_elf(isa=0b111, kernel=(5, 14, 0), interpreter="/lib64/ld-linux-x86-64.so.2")
    assert read_elf(reader(program)) == Elf("x86_64", "/lib64/ld-linux-x86-64.so.2", 0b111, "5.14.0")


@pytest.mark.parametrize(
    ("isa", "level"),
    [(0, ""), (1, "x86-64-v1"), (2, "x86-64-v2"), (9, "x86-64-v4"), (1 << 20 | 1, "x86-64-v?(0x100000)")],
)
def test_the_highest_bit_is_the_level_and_an_unknown_bit_is_one_of_its_own(isa, level):
    assert Elf("x86_64", "", isa, "").level == level


def test_an_arm_program_has_no_level():
    assert read_elf(reader(make_elf(ARM))) == Elf("aarch64", "", 0, "")


def test_symbol_versions_are_read_through_the_addresses_that_the_loader_sees():
    wanted = (("libc.so.6", "GLIBC_2.34"), ("libm.so.6", "GLIBC_2.29"))
    library = make_elf(wanted=wanted, defined=("libx.so.1", "X_1.0"), kernel=(3, 2, 0))
    assert read_versions(reader(library)) == (wanted, ("libx.so.1", "X_1.0"))


@pytest.mark.parametrize("size", range(16, 260, 7))
def test_a_cut_file_is_read_as_far_as_it_goes_or_refused_in_words(size):
    program = make_elf(isa=7, kernel=(3, 2, 0), interpreter="/lib/ld.so", wanted=(("a", "b"),))[:size]
    for read in (read_elf, read_versions):
        try:
            read(reader(program))
        except ValueError as error:
            assert "ELF" in str(error)


@pytest.fixture
def compiled(tmp_path):
    def compile_(*flags, compiler="gcc"):
        (tmp_path / "main.c").write_text(MAIN)
        subprocess.run([compiler, *flags, "-o", tmp_path / "main", tmp_path / "main.c"], check=True)
        return (tmp_path / "main").read_bytes()

    return compile_


@pytest.mark.node
@pytest.mark.parametrize(
    ("flags", "level"),
    [((), "x86-64-v1"), (("-Wl,-z,x86-64-v3",), "x86-64-v3"), (("-static", "-Wl,-z,x86-64-v4"), "x86-64-v4")],
)
def test_the_linkers_note_is_the_level(compiled, flags, level):
    elf = read_elf(reader(compiled(*flags)))
    assert (elf.machine, elf.level, elf.kernel) == ("x86_64", level, "3.2.0")
    assert elf.interpreter == ("" if "-static" in flags else "/lib64/ld-linux-x86-64.so.2")


@pytest.mark.node
def test_another_machines_program_says_so(compiled):
    elf = read_elf(reader(compiled(compiler="aarch64-linux-gnu-gcc")))
    assert (elf.machine, elf.interpreter, elf.level) == ("aarch64", "/lib/ld-linux-aarch64.so.1", "")


@pytest.mark.node
@pytest.mark.parametrize("name", ["lib/x86_64-linux-gnu/libc.so.6", "bin/bash", "lib64/ld-linux-x86-64.so.2"])
def test_the_real_images_files_say_what_readelf_reads(name):
    path = TREE / "htc/debian:12" / name
    found = subprocess.run(["readelf", "-nVW", path], check=True, capture_output=True, text=True).stdout
    content = path.resolve().read_bytes()
    elf, versions = read_elf(reader(content)), read_versions(reader(content))
    kernel = re.search(r"ABI: ([\d.]+)", found)
    assert elf.kernel == (kernel[1] if kernel else "")
    assert ("x86-64-baseline" in found) == (elf.level == "x86-64-v1")
    defined, _, wanted = found.partition("Version needs section")
    assert set(versions.defined) == set(re.findall(r"Rev: 1 .*Name: (\S+)", defined))
    assert {version for _, version in versions.wanted} == set(re.findall(r"Name: (\S+)  Flags", wanted))

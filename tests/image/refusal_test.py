"""End to end under the real Apptainer: a program that this CPU cannot run is refused before it starts."""

import shutil
import struct
import subprocess

import pytest

from tests.conftest import TREE

pytestmark = pytest.mark.node
UNKNOWN = 1 << 20  # a level that no CPU has
NEEDS = "needs x86-64-v?(0x100000) (the ELF note of {})"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A static program that prints "ran" and says that it needs a level yet to be invented."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "main.c").write_text('#include <stdio.h>\nint main(void) { puts("ran"); return 0; }\n')
    subprocess.run(["gcc", "-static", "-o", folder / "main", folder / "main.c"], check=True)
    content = (folder / "main").read_bytes()
    note = struct.pack("<II", 0xC0008002, 4)
    assert content.count(note + struct.pack("<I", 1)) == 1
    (folder / "main").write_bytes(content.replace(note + b"\1\0\0\0", note + struct.pack("<I", UNKNOWN | 1)))
    return folder / "main"


def assert_refused(ran, path):
    assert (ran.code, ran.stdout) == (72, "")
    end = ran.record["end"]
    assert (end["failure"], end["advice"], end["of"]) == ("image.needs_cpu", "elsewhere", "jobwrap")
    assert NEEDS.format(path) in ran.stderr


def assert_ran(ran):
    assert (ran.code, ran.stdout) == (0, "ran\n")
    assert any(reason.startswith("ignored, as asked: it needs x86-64-v?") for reason in ran.record["plan"])


def test_a_program_in_the_image(jobwrap, program, tmp_path):
    image = tmp_path / "image"
    shutil.copytree(f"{TREE}/htc/static:1/", image)
    shutil.copy(program, image / "bin/new")
    words = ["--image", image, "--", "/bin/new"]
    assert_refused(jobwrap.run(*words), "/bin/new")
    assert_ran(jobwrap.run("--ignore-needs", *words))


def test_a_program_in_the_scratch_folder_behind_a_script(jobwrap, program):
    shutil.copy(program, jobwrap.scratch / "new")
    (jobwrap.scratch / "run").write_text("#!/srv/new\n")
    (jobwrap.scratch / "run").chmod(0o755)
    words = ["--image", "htc/debian:12", "--", "./run"]
    assert_refused(jobwrap.run(*words), "/srv/new")
    assert_ran(jobwrap.run("--ignore-needs", *words))


def test_a_program_that_is_an_input(jobwrap, program):
    words = ["--image", "htc/debian:12", "--input", f"tool={program}", "--", "./tool"]
    assert_refused(jobwrap.run(*words), "/srv/tool")
    assert_ran(jobwrap.run("--ignore-needs", *words))

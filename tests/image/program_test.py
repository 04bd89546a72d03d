"""The task's program is the file that the kernel would run for the task."""

import pytest

from jobwrap.image.files import Files
from jobwrap.image.program import PATH, find_program
from jobwrap.image.view import view_of
from tests.image.making import make_elf, make_image


@pytest.fixture
def files(tmp_path):
    image = make_image(tmp_path / "image")
    for name in ("usr/bin/python3.11", "usr/local/bin/tool"):
        (image / name).parent.mkdir(parents=True, exist_ok=True)
        (image / name).write_bytes(make_elf(isa=7))
    (image / "usr/bin/python3").symlink_to("/usr/bin/python3.11")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for name, line in {
        "by-env": "#!/usr/bin/env -S python3 -u\n",
        "by-path": "#! /bin/sh -e\necho\n",
        "by-script": "#!/srv/by-path\n",
        "in-circles": "#!/srv/in-circles\n",
        "text": "no program",
    }.items():
        (scratch / name).write_text(line)
    return Files(view_of(("/", str(image)), ("/srv", str(scratch))))


@pytest.mark.parametrize(
    ("command", "path", "level"),
    [
        ("tool", "/usr/local/bin/tool", "x86-64-v3"),
        ("sh", "/bin/sh", "x86-64-v1"),
        ("/usr/bin/python3", "/usr/bin/python3", "x86-64-v3"),
        ("./by-env", "/usr/bin/python3", "x86-64-v3"),
        ("/srv/by-path", "/bin/sh", "x86-64-v1"),
        ("./by-script", "/bin/sh", "x86-64-v1"),
    ],
)
def test_the_program_of_a_command_is_found_as_the_kernel_finds_it(files, command, path, level):
    program = find_program(command, PATH, "/srv", files)
    assert (program.path, program.elf.level) == (path, level)


def test_the_scripts_on_the_way_are_told(files):
    assert find_program("./by-script", PATH, "/srv", files).through == ("/srv/by-script", "/srv/by-path")


@pytest.mark.parametrize("command", ["nothing", "/lib64", "./nothing", "/no", "./in-circles", "x\0", ""])
def test_a_program_that_is_not_there_is_none(files, command):
    assert find_program(command, PATH, "/srv", files) is None


def test_a_file_that_is_no_program_has_no_needs(files):
    assert find_program("./text", PATH, "/srv", files).elf is None

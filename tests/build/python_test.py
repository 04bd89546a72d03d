"""Which Python the shipped file starts, and what it says where there is none."""

import ast
import re
import shutil
import sys

import pytest

from tests.build.shipping import HELLO, NO_PYTHON, OLD_PYTHONS, PYTHONS, each_shell, program, run, start_of


def versions(shipped):
    return re.search(rb"versions='([\d.:]+)'", shipped.read_bytes())[1].decode().split(":")


def test_the_newest_python_with_bytecode_comes_before_newer_and_older_ones(anywhere, tmp_path):
    known = versions(anywhere)
    for number, version in enumerate(["3.8", *known]):
        program(tmp_path / f"{number % 3}/python{version}", f"echo {version}")
    assert run(anywhere, env={"PATH": f"{tmp_path}/0:{tmp_path}/1:{tmp_path}/2"}).stdout == f"{known[0]}\n"


def test_a_newer_python_than_any_with_bytecode_is_taken_where_there_is_no_other(anywhere, tmp_path):
    newest = max(versions(anywhere), key=lambda version: int(version[2:]))
    program(tmp_path / f"bin/python{newest}", "echo newest")
    program(tmp_path / "bin/python3", "echo bare")
    assert run(anywhere, env={"PATH": f"{tmp_path}/bin"}).stdout == "newest\n"


def test_a_python_that_tells_its_version_by_its_name_is_not_asked_for_it(anywhere, tmp_path):
    program(tmp_path / "bin/python3.9", "echo started")
    assert run(anywhere, env={"PATH": f"{tmp_path}/bin"}).stdout == "started\n"


def test_a_bare_python3_is_taken_when_it_is_new_enough(anywhere, tmp_path):
    (tmp_path / "old").mkdir()
    program(tmp_path / "old/python3", '[ "$1" = -V ] && echo Python 3.6.8; exit 1')
    (tmp_path / "new").mkdir()
    (tmp_path / "new/python3").symlink_to(next(iter(PYTHONS.values())))
    assert run(anywhere, "--version", env={"PATH": f"{tmp_path}/old:{tmp_path}/new"}).stdout == HELLO


def test_shims_folders_and_plain_files_are_not_taken_for_pythons(anywhere, tmp_path):
    program(tmp_path / "shims/python3.12", "echo shim")
    (tmp_path / "folder/python3.12").mkdir(parents=True)
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/python3.12").write_text("")
    program(tmp_path / "a b*/python3.9", "echo right")
    folders = ("shims", "folder", "plain", "a b*")
    path = ":".join(f"{tmp_path}/{folder}" for folder in folders)
    assert run(anywhere, env={"PATH": path}).stdout == "right\n"


def test_the_system_folders_come_before_path(shipped, tmp_path):
    program(tmp_path / "bin/python3.13", "echo wrong")
    assert run(shipped, "--version", env={"PATH": f"{tmp_path}/bin"}).stdout == HELLO


# Where there is none.


@each_shell
def test_a_node_without_python_gets_the_sentence_and_the_code_of_the_table(anywhere, shell, tmp_path):
    command = [shutil.which(shell), *(["sh"] if shell == "busybox" else [])]
    ran = run(*command, anywhere, "--", "true", env={"PATH": str(tmp_path)})
    assert (ran.returncode, ran.stdout) == (NO_PYTHON.code, "")
    assert ran.stderr == f"jobwrap: {NO_PYTHON.sentence.format(found='none')}\n"


def test_an_older_python3_is_named_with_its_version(anywhere, tmp_path):
    program(tmp_path / "bin/python3", '[ "$1" = -V ] && echo Python 3.6.8; exit 1')
    ran = run(anywhere, env={"PATH": f"{tmp_path}/bin"})
    found = f"{tmp_path}/bin/python3 is Python 3.6.8"
    assert ran.returncode == NO_PYTHON.code
    assert ran.stderr == f"jobwrap: {NO_PYTHON.sentence.format(found=found)}\n"


@pytest.mark.parametrize("python", OLD_PYTHONS.values(), ids=OLD_PYTHONS.keys())
def test_an_older_python_that_is_told_to_run_it_says_so_without_a_traceback(shipped, python):
    ran = run(python, shipped)
    version = run(python, "-c", "import sys; print(sys.version.split()[0])").stdout.strip()
    assert (ran.returncode, ran.stdout) == (NO_PYTHON.code, "")
    assert ran.stderr == f"jobwrap: {NO_PYTHON.sentence.format(found=version)}\n"


def test_the_part_that_older_pythons_read_is_in_their_language(shipped):
    main = start_of(shipped)
    ast.parse(main, feature_version=(3, 4))
    ran = run(sys.executable, "-c", f"import sys\nsys.version_info = (3, 6, 8)\n{main}")
    assert ran.returncode == NO_PYTHON.code

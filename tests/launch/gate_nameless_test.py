"""Files without a name, in memory and where there are none in memory."""

import os
import subprocess
import sys

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.launch.gate.nameless import nameless_file, nameless_program, write_all
from tests.conftest import REPO
from tests.launch.gate_test import WAYS
from tests.launch.gated import run


@pytest.fixture(params=["missing", "refused"])
def no_memory_files(request, monkeypatch):
    """A Python that was built without them, or a kernel that refuses them."""

    def refuse(*_):
        raise PermissionError

    if request.param == "missing":
        monkeypatch.delattr(os, "memfd_create")
    else:
        monkeypatch.setattr(os, "memfd_create", refuse)


def test_nobody_can_change_a_program_in_memory(tmp_path):
    descriptor = nameless_program("p", b"\x7fELF", str(tmp_path))
    for change in (lambda: os.pwrite(descriptor, b"x", 0), lambda: os.ftruncate(descriptor, 0)):
        with pytest.raises(PermissionError):
            change()
    assert os.pread(descriptor, 10, 0) == b"\x7fELF"
    os.close(descriptor)
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("no_memory_files")
def test_files_are_on_disk_without_a_name_where_there_are_none_in_memory(tmp_path):
    file, program = nameless_file("f", str(tmp_path)), nameless_program("p", b"\x7fELF", str(tmp_path))
    write_all(file, b"settings")
    assert (os.pread(file, 10, 0), os.pread(program, 10, 0)) == (b"settings", b"\x7fELF")
    assert os.readlink(f"/proc/self/fd/{program}").startswith(f"{tmp_path}/.jobwrap-")
    assert os.listdir(tmp_path) == []
    for descriptor in (file, program):
        assert os.get_inheritable(descriptor) is False
        os.close(descriptor)


@pytest.mark.node
@pytest.mark.usefixtures("no_memory_files")
@pytest.mark.parametrize("way", WAYS)
def test_the_gate_works_without_memory_files(way):
    ended = run(["printenv", "V"], [("V", "x" * 120_000)], runtime=WAYS[way])
    assert (ended.said.status, ended.stdout) == (0, b"x" * 120_000 + b"\n")


@pytest.mark.usefixtures("no_memory_files")
def test_a_folder_that_cannot_be_written_is_passed_over():
    os.close(nameless_program("p", b"", "/no/such/folder"))


ASK = f"""
import os, sys
sys.path.insert(0, {str(REPO)!r})
from jobwrap.launch.gate import nameless
from jobwrap.launch.gate.nameless import nameless_file, nameless_program
del os.memfd_create
first, nameless._FOLDERS = sys.argv[1], sys.argv[2:]
for descriptor in (nameless_program("p", b"", first), nameless_file("f", first)):
    print(os.readlink(f"/proc/self/fd/{{descriptor}}").rpartition("/")[0])
"""


@pytest.mark.node
def test_a_program_is_not_put_where_none_may_run(tmp_path):
    folders = [tmp_path / "noexec", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    mount = f'mount -t tmpfs -o noexec none {folders[0]}; exec "$@"'
    command = ["unshare", "-Urm", "sh", "-c", mount, "sh", sys.executable, "-c", ASK, *folders]
    program, file = subprocess.check_output(command, text=True).split()
    assert (program, file) == (str(folders[1]), str(folders[0]))


@pytest.mark.node
def test_a_node_where_no_program_may_run_is_named(monkeypatch):
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr("jobwrap.launch.gate.nameless._FOLDERS", ("/no/such/folder",))
    with pytest.raises(JobwrapError, match="no program may run"):
        nameless_program("p", b"", "/proc")

"""What the shipped file is: the same to the byte wherever it is made, small, and listed."""

import lzma
import os
import stat
import sys
import zipfile
import zlib
from pathlib import Path

from tests.build.shipping import REPO, build, copy_of_tree, each_python, run, within


def test_two_builds_in_different_places_have_the_same_bytes(shipped, tree, tmp_path):
    other = copy_of_tree(tree, tmp_path / "another folder")
    for path in other.rglob("*.py"):
        os.utime(path, (1, 1))
    build(other, tmp_path / "again", TZ="Asia/Tokyo", LANG="C", PYTHONHASHSEED="7", PYTHONOPTIMIZE="1")
    assert (tmp_path / "again").read_bytes() == shipped.read_bytes()


def test_it_is_one_executable_file_of_at_most_1_5_MB(shipped):
    assert shipped.stat().st_size <= 1_500_000
    assert stat.S_IMODE(shipped.stat().st_mode) == 0o755


@each_python
def test_nothing_in_it_names_a_path_of_the_machine_that_built_it(shipped, python, tree):
    show = "import sys, pkgutil, jobwrap.cli as cli\nprint(repr(cli.main.__code__.co_filename))"
    assert within(shipped, python, show) == "'<jobwrap>/jobwrap/cli.py'\n"
    whole = shipped.read_bytes()
    with zipfile.ZipFile(shipped) as archive:
        for name in archive.namelist():
            if name.startswith("cpython-"):
                whole += zlib.decompress(archive.read(name))
            elif name.startswith("later-"):
                whole += lzma.decompress(archive.read(name))
    for path in (tree, REPO, Path.home() / ".cache", sys.prefix):
        assert str(path).encode() not in whole


def test_the_list_has_every_entry_and_its_sizes_add_up(shipped, tmp_path):
    listed = run(REPO / "bin/build", "--list", shipped, env=dict(os.environ)).stdout.splitlines()
    sizes = {line.split()[1]: int(line.split()[0].replace(",", "")) for line in listed if line[8].isdigit()}
    with zipfile.ZipFile(shipped) as archive:
        entries = {entry.filename: entry.file_size for entry in archive.infolist()}
    assert {name: sizes.get(name) for name in entries} == entries
    assert sizes[str(shipped)] == shipped.stat().st_size
    assert any(line.split()[0] == "psutil/_psutil_linux.abi3.so" for line in listed)

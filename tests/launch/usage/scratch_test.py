"""The walk over scratch: right, bounded, and led nowhere else."""

import os
import subprocess
import sys

import pytest

from jobwrap.launch.usage import scratch
from jobwrap.launch.usage.scratch import Scratch
from tests.conftest import REPO

FOREVER = 60.0


def filled(folder, files=10, size=100_000):
    for number in range(files):
        path = folder / f"d{number % 3}" / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))


def du(folder):
    told = subprocess.run(
        ["du", "-s", "-x", "-B1", folder], capture_output=True, text=True, check=True
    ).stdout
    return int(told.split()[0])


def test_it_counts_what_du_counts(tmp_path):
    filled(tmp_path)
    (tmp_path / "sparse").touch()
    os.truncate(tmp_path / "sparse", 1 << 30)
    os.link(tmp_path / "d0/0", tmp_path / "d0/the same")
    (tmp_path / "link").symlink_to("d0/0")
    (tmp_path / "name with \n and \udcff").mkdir()
    assert Scratch(str(tmp_path)).look(FOREVER) == du(tmp_path) > 1_000_000


def test_it_goes_on_where_its_time_was_over(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch, "_AT_ONCE", 1)
    filled(tmp_path, files=30)
    walk, looks = Scratch(str(tmp_path)), 1
    while walk.look(0) is None:
        looks += 1
    assert looks > 30
    assert walk.bytes == du(tmp_path)


def test_the_next_walk_sees_what_was_added_and_removed(tmp_path):
    walk = Scratch(str(tmp_path))
    empty = walk.look(FOREVER)
    filled(tmp_path)
    assert walk.look(FOREVER) == du(tmp_path) > empty
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.unlink()
    assert walk.look(FOREVER) == du(tmp_path)


def test_links_lead_nowhere(tmp_path):
    (tmp_path / "scratch").mkdir()
    filled(tmp_path / "outside")
    (tmp_path / "scratch/out").symlink_to(tmp_path / "outside")
    assert Scratch(str(tmp_path / "scratch")).look(FOREVER) < 100_000


def test_a_folder_that_became_a_link_meanwhile_leads_nowhere(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch, "_AT_ONCE", 1)
    inside = tmp_path / "scratch/inside"
    inside.mkdir(parents=True)
    filled(tmp_path / "outside")
    sizes = scratch._walk(str(tmp_path / "scratch"))
    seen = [next(sizes), next(sizes)]  # scratch itself, and the folder in it as it was listed
    inside.rmdir()
    inside.symlink_to(tmp_path / "outside")
    assert sum([*seen, *sizes]) < 100_000
    inside.unlink()
    filled(inside, files=1)
    sizes = scratch._walk(str(tmp_path / "scratch"))
    seen = [next(sizes), next(sizes)]
    inside.rename(tmp_path / "away")
    (tmp_path / "outside").rename(inside)  # another folder, and no link
    assert sum([*seen, *sizes]) < 100_000


def test_a_folder_that_is_gone_leaves_what_was_known(tmp_path):
    folder = tmp_path / "scratch"
    filled(folder)
    walk = Scratch(str(folder))
    known = walk.look(FOREVER)
    folder.rename(tmp_path / "away")
    assert walk.look(FOREVER) == known
    assert Scratch(str(folder)).look(FOREVER) is None


def test_a_folder_without_rights_does_not_end_the_walk(tmp_path):
    filled(tmp_path)
    (tmp_path / "d0").chmod(0)
    assert Scratch(str(tmp_path)).look(FOREVER) > 500_000
    (tmp_path / "d0").chmod(0o755)


def test_more_folders_than_it_may_remember_end_it(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch, "_WAITING", 5)
    for number in range(10):
        (tmp_path / str(number)).mkdir()
    walk = Scratch(str(tmp_path))
    assert walk.look(FOREVER) is None
    assert walk.look(FOREVER) is None


def test_stopped_it_keeps_no_folder_open(tmp_path, monkeypatch):
    monkeypatch.setattr(scratch, "_AT_ONCE", 1)
    filled(tmp_path)
    walk = Scratch(str(tmp_path))
    open_before = len(os.listdir("/proc/self/fd"))
    while len(os.listdir("/proc/self/fd")) == open_before:
        assert walk.look(0) is None
    walk.stop()
    assert len(os.listdir("/proc/self/fd")) == open_before
    assert walk.look(FOREVER) is None


@pytest.mark.node
def test_what_is_mounted_in_it_is_not_even_asked(tmp_path):
    folder = tmp_path / "scratch"
    filled(folder)
    size = du(folder)
    (folder / "a mount").mkdir()
    control = tmp_path / "control.json"
    control.write_text('{"mode": "hang"}')
    words = [sys.executable, REPO / "tests/node/fuse_cvmfs.py", folder / "a mount", control]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as mounted:
        try:
            assert mounted.stdout.readline() == b"mounted\n"
            assert Scratch(str(folder)).look(FOREVER) == size
        finally:
            mounted.kill()
            subprocess.run(["fusermount3", "-u", "-z", folder / "a mount"], check=True)

"""Room on the disk: asked for before, and missed in the middle; nothing partial is left."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.transfer.fetch import Wanted, fetch_all
from jobwrap.transfer.room import Room
from jobwrap.transfer.trouble import Trouble
from tests.transfer.conftest import SWIFT
from tests.transfer.fault_server import CONTENT

SIZE = len(CONTENT)


def no_space(faults, way, tmp_path, room):
    wanted = [Wanted("x", (f"{faults.url}/{way}", f"{faults.url}/ok"), None, str(tmp_path / "x"))]
    with pytest.raises(JobwrapError) as raised:
        fetch_all(wanted, SWIFT._replace(room=room))
    assert raised.value.failure.name == "input.no_space"
    assert os.listdir(tmp_path) == []
    return raised.value.sentence


def test_a_file_larger_than_the_allowance_is_not_begun(faults, tmp_path):
    assert str(SIZE) in no_space(faults, "ok", tmp_path, SIZE - 1)
    assert len(faults.asked()) == 1


def test_a_file_of_unknown_length_ends_where_the_allowance_does(faults, tmp_path):
    no_space(faults, "chunked", tmp_path, SIZE - 1)


def test_files_together_may_not_exceed_the_allowance(faults, tmp_path):
    wanted = [Wanted(str(one), (f"{faults.url}/ok",), None, f"{tmp_path}/{one}") for one in range(3)]
    fetch_all(wanted, SWIFT._replace(room=3 * SIZE))
    with pytest.raises(JobwrapError, match="that are allowed"):
        fetch_all(wanted, SWIFT._replace(room=3 * SIZE - 1))


def test_what_broke_off_gives_its_room_back(faults, tmp_path):
    wanted = [Wanted("x", (f"{faults.url}/says_longer", f"{faults.url}/ok"), None, str(tmp_path / "x"))]
    fetch_all(wanted, SWIFT._replace(room=SIZE + 1, attempts=2))
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_more_than_the_file_system_has_is_refused(tmp_path):
    folder = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(Trouble, match="that are free"):
        Room(None).claim(folder, 1 << 60)
    os.close(folder)


FULL = """
import sys
from jobwrap.failures import JobwrapError
from jobwrap.transfer.fetch import Wanted, fetch_all
wanted = Wanted("x", (sys.argv[1],), None, "/mnt/x", unpack=sys.argv[2] == "unpack")
try:
    fetch_all([wanted])
except JobwrapError as error:
    print(error.failure.name)
"""


@pytest.mark.node
@pytest.mark.parametrize(("way", "size"), [("ok", "512k"), ("chunked", "512k"), ("chunked", "1000k")])
def test_a_full_disk_is_a_failure_of_its_own(way, size, faults, tmp_path):
    assert on_small_disk(f"{faults.url}/{way}", size, "plain") == "input.no_space"


@pytest.mark.node
def test_an_archive_that_does_not_fit_unpacked_is_the_same_failure(tmp_path):
    (tmp_path / "zeros").write_bytes(bytes(5 << 20))
    subprocess.run(["tar", "-C", tmp_path, "-czf", tmp_path / "a.tgz", "zeros"], check=True)
    assert on_small_disk(f"{tmp_path}/a.tgz", "1m", "unpack") == "input.no_space"


def on_small_disk(place, size, how):
    """What comes of fetching to a file system of `size`; it must be empty afterwards."""
    python = f"{sys.executable} -c '{FULL}' {place} {how}"
    script = f"mount -t tmpfs -o size={size} none /mnt && {python} && ls -A /mnt"
    words = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]
    ran = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)
    return ran.stdout.strip()

"""Fetching: what comes, what fails, and that nothing partial is left."""

import hashlib
import marshal
import os

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.transfer.fetch import Came, Cancelled, Wanted, fetch_all, probe_all

CONTENT = b"content of a file\n" * 100
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize("missing", [(), (0,), (5, 700)])
def test_those_that_came_are_in_the_order_in_which_they_were_wanted(missing):
    came = Came()
    indices = [index for index in range(1000) if index not in missing]
    for index in sorted(indices, key=lambda index: index ^ 7):
        came.take(index, (f"x{index}", "", 0, 0.0, 1, None, "", (), "/x"))
    assert [each.name for each in came] == [each.name for each in came] == [f"x{each}" for each in indices]
    assert len(came) == len(indices)


def test_a_signal_while_some_are_packed_neither_loses_nor_doubles_one():
    came = Came()
    for index in range(127):
        came.take(index, (f"x{index}", "", 0, 0.0, 1, None, "", (), "/x"))
    came._packed.append(marshal.dumps(came._new))  # and here it came
    assert [each.name for each in came] == [f"x{index}" for index in range(127)]


def test_a_path_is_copied_and_its_checksum_told(source, tmp_path):
    target = tmp_path / "new" / "copy"
    (fetched,) = fetch_all([Wanted("copy", (str(source),), None, str(target))])
    assert target.read_bytes() == CONTENT
    assert fetched.checksum == ("sha256", SHA256)
    assert (fetched.bytes, fetched.source, fetched.skipped) == (len(CONTENT), str(source), ())


def test_the_next_place_is_tried_and_the_first_ones_failure_told(source, tmp_path):
    places = (str(tmp_path / "absent"), source.as_uri())
    (fetched,) = fetch_all([Wanted("copy", places, ("sha256", SHA256), str(tmp_path / "copy"))])
    assert fetched.source == places[1]
    assert fetched.skipped == ((places[0], "there is no such file"),)


@pytest.mark.parametrize(
    ("place", "checksum", "name"),
    [
        ("/no/such/file", None, "input.not_found"),
        ("data:,x", ("sha256", "00" * 32), "input.checksum"),
        ("gopher://localhost/x", None, "input.scheme"),
        ("/proc", None, "input.not_found"),
    ],
)
def test_a_final_failure_is_named_and_leaves_nothing(place, checksum, name, tmp_path):
    with pytest.raises(JobwrapError) as raised:
        fetch_all([Wanted("x", (place,), checksum, str(tmp_path / "x"))])
    assert raised.value.failure.name == name
    assert os.listdir(tmp_path) == []


def test_a_cancelled_fetch_leaves_nothing(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(Cancelled):
        fetch_all([Wanted("x", ("http://127.0.0.1:9/",), None, str(tmp_path / "x"))], cancelled=lambda: True)
    assert os.listdir(tmp_path) == ["fifo"]


def test_a_probe_writes_nothing_and_names_what_would_fail(source, tmp_path):
    probe_all([Wanted("x", (str(source),), None, str(tmp_path / "x"))])
    with pytest.raises(JobwrapError, match="no such file"):
        probe_all([Wanted("x", ("/no/such",), None, str(tmp_path / "x"))])
    assert os.listdir(tmp_path) == ["source"]

"""Which files an output is, and which are refused."""

import os

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Output
from jobwrap.stage.outputs import stage_out
from jobwrap.transfer.options import Options


@pytest.fixture
def scratch(tmp_path):
    for name in ("a.txt", "b.txt", "c.log", "out/x.txt", "out/deep/y.txt", ".jobwrap/record.json"):
        path = tmp_path / "scratch" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "scratch"


def names(scratch, name, url=""):
    return [each.name for each in stage_out((Output(name, url),), str(scratch), Options())]


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("a.txt", ["a.txt"]),
        ("*.txt", ["a.txt", "b.txt"]),
        ("out", ["out/deep/y.txt", "out/x.txt"]),
        ("out/*.txt", ["out/x.txt"]),
        ("*/deep", ["out/deep/y.txt"]),
        ("*", ["a.txt", "b.txt", "c.log", "out/deep/y.txt", "out/x.txt"]),
    ],
)
def test_an_output_is_a_file_a_folder_or_what_a_pattern_means(scratch, name, files):
    assert names(scratch, name) == files


def test_a_folder_keeps_its_shape_where_it_is_delivered(scratch, tmp_path):
    names(scratch, "out", f"file://{tmp_path}/kept")
    assert (tmp_path / "kept/deep/y.txt").read_text() == "out/deep/y.txt"


@pytest.mark.parametrize("name", ["none", "none/x", "*.root", "a.txt/x"])
def test_what_is_not_there_is_missing_and_what_is_there_is_told(scratch, name):
    with pytest.raises(JobwrapError, match=r"there is: a\.txt, b\.txt, c\.log, out") as raised:
        names(scratch, name)
    assert raised.value.failure.name == "output.missing"


@pytest.mark.parametrize("name", ["link", "folder/passwd", "*", "inside"])
def test_a_link_is_refused_wherever_it_stands(scratch, tmp_path, name):
    (scratch / "link").symlink_to("/etc/passwd")
    (scratch / "folder").symlink_to("/etc")
    (scratch / "inside").mkdir()
    (scratch / "inside/pipe").symlink_to("/etc/passwd")
    with pytest.raises(JobwrapError) as raised:
        names(scratch, name, f"file://{tmp_path}/leaked/")
    assert raised.value.failure.name == "output.refused"
    assert not any("passwd" in files for _, _, files in os.walk(tmp_path / "leaked"))

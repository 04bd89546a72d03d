"""What a person sees of transfers under way."""

import io
import os

import pytest

from jobwrap.transfer import progress as module
from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.fetch import Wanted, fetch_all
from jobwrap.transfer.progress import Progress, ProgressLine, in_words
from jobwrap.transfer.source import Source
from tests.transfer.conftest import SWIFT
from tests.transfer.fault_server import CONTENT


@pytest.mark.parametrize(("progress", "rate", "seconds", "words"), [
    (Progress(3, 9, 12 * 10**8, 4 * 10**9), 110e6, 9, "3 of 9 files, 1.2 GB of 4.0 GB, 110 MB/s, 25 s left"),
    (Progress(0, 1, 999, None), 0, 9, "0 of 1 files, 999 B, 0 B/s"),
    (Progress(0, 1, 0, 10_000_000), 1000, 9, "0 of 1 files, 0 B of 10.0 MB, 1.0 kB/s, 2:46:40 left"),
    (Progress(3, 9, 6000, None), 1000, 9, "3 of 9 files, 6.0 kB, 1.0 kB/s, about 18 s left"),
])  # fmt: skip
def test_it_is_told_in_words(progress, rate, seconds, words):
    assert in_words(progress, rate, seconds) == words


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminals_line_is_drawn_over_and_removed(monkeypatch):
    monkeypatch.setattr(module, "_EVERY", 0)
    stream, told = Terminal(), []
    line = ProgressLine("inputs", stream, told.append)
    line(Progress(0, 2, 0, 1000))
    line(Progress(1, 2, 500, 1000))
    line.end()
    assert stream.getvalue().startswith("\rinputs: 0 of 2 files")
    assert "\n" not in stream.getvalue() and stream.getvalue().endswith(" \r")
    assert told == []


def test_elsewhere_what_is_quick_is_not_told_and_what_is_slow_ever_more_rarely():
    stream, told = io.StringIO(), []
    line = ProgressLine("inputs", stream, told.append)
    line(Progress(0, 2, 0, 1000))
    assert told == []
    line._next = 0
    line(Progress(1, 2, 500, 1000))
    line.end()
    assert told[0].startswith("inputs: 1 of 2 files, 500 B of 1.0 kB") and stream.getvalue() == ""
    assert line._pause == 2 * module._FIRST


def test_a_slow_transfer_tells_how_far_it_is(faults, tmp_path):
    seen = []
    wanted = [Wanted("x", (f"{faults.url}/slowly/2",), None, str(tmp_path / "x"))]
    fetch_all(wanted, SWIFT, progress=seen.append)
    assert all(one.of_bytes == len(CONTENT) for one in seen)
    assert seen[0].bytes < seen[-1].bytes < len(CONTENT)


def test_a_delivery_tells_what_was_sent_and_not_what_was_read_for_its_checksum(tmp_path):
    attempt = Attempt(SWIFT)
    (tmp_path / "output").write_bytes(CONTENT)
    with Source(lambda: os.open(tmp_path / "output", os.O_RDONLY), "aside") as source:
        source.digest("sha256", attempt)
    assert (attempt.moved, attempt.progress) == (len(CONTENT), 0)
    attempt.count(1000)
    assert attempt.progress == 1000

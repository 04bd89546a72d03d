"""What a person sees of transfers under way."""

import io

import pytest

from jobwrap.transfer import progress as module
from jobwrap.transfer.fetch import Wanted, fetch_all
from jobwrap.transfer.progress import Progress, ProgressLine, in_words
from tests.transfer.conftest import SWIFT
from tests.transfer.fault_server import CONTENT


@pytest.mark.parametrize(("progress", "rate", "words"), [
    (Progress(3, 9, 12 * 10**8, 4 * 10**9), 110e6, "3 of 9 files, 1.2 GB of 4.0 GB, 110 MB/s, 25 s left"),
    (Progress(0, 1, 999, None), 0, "0 of 1 files, 999 B, 0 B/s"),
    (Progress(0, 1, 0, 10_000_000), 1000, "0 of 1 files, 0 B of 10.0 MB, 1.0 kB/s, 2:46:40 left"),
])  # fmt: skip
def test_it_is_told_in_words(progress, rate, words):
    assert in_words(progress, rate) == words


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminals_line_is_drawn_over_and_removed(monkeypatch):
    monkeypatch.setattr(module, "_EVERY", 0)
    stream = Terminal()
    line = ProgressLine(stream, "inputs")
    line(Progress(0, 2, 0, 1000))
    line(Progress(1, 2, 500, 1000))
    line.end()
    assert stream.getvalue().startswith("\rinputs: 0 of 2 files")
    assert "\n" not in stream.getvalue() and stream.getvalue().endswith(" \r")


def test_a_log_gets_no_line_for_what_is_quick(monkeypatch):
    stream = io.StringIO()
    line = ProgressLine(stream, "inputs")
    line(Progress(0, 2, 0, 1000))
    assert stream.getvalue() == ""
    line._next = 0
    line(Progress(1, 2, 500, 1000))
    assert stream.getvalue().count("\n") == 1
    assert line._pause == 2 * module._FIRST


def test_a_slow_transfer_tells_how_far_it_is(faults, tmp_path):
    seen = []
    wanted = [Wanted("x", (f"{faults.url}/slowly",), None, str(tmp_path / "x"))]
    fetch_all(wanted, SWIFT._replace(window=2.0), progress=seen.append)
    assert all(one.of_bytes == len(CONTENT) for one in seen)
    assert seen[0].bytes < seen[-1].bytes < len(CONTENT)

"""The process that does the work: what it holds, how it talks, and that it never outlives its need."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobwrap.transfer.apart import Child
from tests.run_test import wait_for

REPO = Path(__file__).parents[2]


def everything(child):
    """All its messages, to its end."""
    said = []
    while (messages := child.messages(10)) is not None:
        said += list(messages)
    child.end()
    return said


def test_messages_come_whole_and_in_order():
    def talk(link):
        for index in range(200):
            link.send((index, "x" * 1000 * index))

    assert everything(Child(talk)) == [(index, "x" * 1000 * index) for index in range(200)]


def test_it_holds_no_descriptor_but_those_it_was_given():
    def tell(link):
        link.send(sorted(map(int, os.listdir("/proc/self/fd"))))

    given, other = os.open("/", os.O_RDONLY), os.open("/", os.O_RDONLY)
    (held,) = everything(Child(tell, keep=(given,)))
    os.close(given)
    os.close(other)
    assert given in held and other not in held
    assert len(held) == 7  # standard ones, the given one, two of ours, and the listing itself


def test_signals_mean_there_what_they_mean_anywhere():
    def tell(link):
        link.send([signal.getsignal(one) == signal.SIG_DFL for one in (signal.SIGTERM, signal.SIGINT)])

    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        assert everything(Child(tell)) == [[True, True]]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_its_end_takes_along_what_it_started():
    def start(link):
        link.send(subprocess.Popen(["sleep", "60"]).pid)
        time.sleep(60)

    child = Child(start)
    (pid,) = child.messages(10)
    child.end()
    wait_for(lambda: gone(pid) and gone(child.pid), 10)  # a kill takes its moment


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_it_ends_with_the_one_that_wanted_the_files(end, faults, tmp_path):
    code = "import sys\nfrom jobwrap.transfer.fetch import Wanted, fetch_all\n"
    code += "fetch_all([Wanted('x', (sys.argv[1],), None, sys.argv[2])])"
    words = [sys.executable, "-c", code, f"{faults.url}/drip", str(tmp_path / "x")]
    parent = subprocess.Popen(words, cwd=REPO)
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    wait_for(faults.asked)
    child = int(children.read_text().split()[0])
    parent.send_signal(end)
    parent.wait()
    wait_for(lambda: gone(child))


def gone(pid):
    """Whether there is no such process, or only what is left until someone asks for its end."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True

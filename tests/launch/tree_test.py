"""The processes below a process: real trees, and recorded ones of nodes that hide them."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from jobwrap.launch.tree import Below, find_below, find_children, send_below
from tests.launch.processes import READY, child, running

THREADS = "import threading, time\nfor _ in range(2): threading.Thread(target=sys.stdin.read).start()\n"
FAMILY = child(child("import sys\n" + THREADS + READY))


def written(root, path, text):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_all_generations_and_their_threads_are_found_the_elder_first():
    with running(FAMILY) as process:
        below, all_of_mine = find_below(process.pid), find_below(os.getpid())
        oracle = [each.pid for each in psutil.Process(process.pid).children(recursive=True)]
    assert list(below.pids) == oracle and len(oracle) == 2
    assert (below.threads, below.hidden) == (4, False)
    assert {process.pid, *oracle} <= set(all_of_mine.pids)


def test_what_a_second_thread_has_started_is_found():
    program = f"import threading\nthreading.Thread(target=exec, args=({child(READY)!r}, {{}})).start()"
    with running(program) as process:
        assert len(find_below(process.pid).pids) == 1


def test_a_process_without_any_below_and_one_that_is_gone_have_none():
    with running(READY) as process:
        assert find_below(process.pid) == Below((), 0, False)
    assert find_below(process.pid) == Below((), 0, False)


def test_processes_that_come_and_go_are_not_called_hidden():
    program = "import os\nprint(1, flush=True)\nwhile True:\n if not os.fork(): os._exit(0)\n os.wait()\n"
    with running(program) as process:
        looks, deadline = [], time.monotonic() + 30
        while len(looks) < 200 or not any(below.pids for below in looks):
            looks.append(find_below(process.pid))
            assert process.poll() is None and time.monotonic() < deadline
    assert not any(below.hidden for below in looks)


def test_a_process_that_is_listed_but_not_shown_is_hidden(tmp_path):
    written(tmp_path, "proc/10/task/10/children", "11 12 ")
    written(tmp_path, "proc/11/task/11/children", "")
    assert find_below(10, str(tmp_path)) == Below((11, 12), 1, True)


def test_without_the_kernels_lists_psutil_finds_them(tmp_path):
    with running(FAMILY) as process:
        (tmp_path / f"proc/{process.pid}/task").mkdir(parents=True)
        below, children = find_below(process.pid, str(tmp_path)), find_children(process.pid, str(tmp_path))
        assert (below, children) == (find_below(process.pid), find_children(process.pid))
    assert len(children) == 1


def test_without_lists_and_psutil_nothing_is_claimed(tmp_path):
    (tmp_path / "proc/10/task").mkdir(parents=True)
    program = "import sys; sys.modules['psutil'] = None; from jobwrap.launch.tree import find_below"
    program += f"; print(find_below(10, {str(tmp_path)!r}))"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told == "Below(pids=(), threads=0, hidden=True)\n"


# A /proc that hides what may not be traced, and a user without capabilities, inside of namespaces.
HIDEPID = (
    *("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "sh", "-c"),
    """mount -t proc -o hidepid=invisible proc /proc && exec setpriv --bounding-set=-all --inh-caps=-all \\
    --securebits=+noroot,+noroot_locked "$0" "$@" """,
)


@pytest.mark.node
@pytest.mark.parametrize("dumpable", [1, 0])
def test_with_hidepid_a_process_that_may_not_be_traced_is_told_to_be_hidden(dumpable):
    program = f"""if True:
        import ctypes, os, time
        from jobwrap.launch.tree import find_below
        from jobwrap.launch.usage.processes import Processes
        said, say = os.pipe()
        if not os.fork():
            ctypes.CDLL(None).prctl(4, {dumpable})  # PR_SET_DUMPABLE
            os.fork()
            os.write(say, b"1")
            time.sleep(600)
        for _ in range(2):
            os.read(said, 1)
        below = find_below(os.getpid())
        print(len(below.pids), below.hidden, Processes(os.getpid()).figures().processes)
    """
    words = [*HIDEPID, sys.executable, "-c", program]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert told == ("2 False 2\n" if dumpable else "1 True None\n")


@pytest.mark.node
def test_in_the_proc_of_another_pid_namespace_nobody_is_taken_for_ours():
    program = "import os; from jobwrap.launch.tree import find_below, find_children; "
    program += "print(find_below(os.getpid()), find_children(os.getpid()))"
    words = ["unshare", "--user", "--map-root-user", "--pid", "--fork", sys.executable, "-c", program]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert told == "Below(pids=(), threads=0, hidden=True) []\n"


# A chain of at most 2000 processes, each of which starts the next; what is orphaned stays below the first.
CHAIN = """
import ctypes, os, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
print(1, flush=True)
for _ in range(2000):
    time.sleep(0.01)
    if os.fork():
        time.sleep(60)
        os._exit(0)
"""


def test_a_signal_reaches_also_those_that_start_meanwhile():
    with running(CHAIN) as process:
        while len(find_below(process.pid).pids) < 5:
            time.sleep(0.01)
        assert send_below(process.pid, signal.SIGKILL) >= 5
        deadline = time.monotonic() + 30
        while {psutil.Process(pid).status() for pid in find_below(process.pid).pids} - {"zombie"}:
            assert time.monotonic() < deadline
        assert len(find_below(process.pid).pids) < 1999


def test_children_and_what_they_orphaned_are_killed_but_for_the_spared():
    program = """if True:
        import subprocess
        from jobwrap import libc
        from jobwrap.launch.tree import kill_children
        libc.adopt_orphans()
        spared = subprocess.Popen(["sleep", "9999"])
        subprocess.run(["sh", "-c", "(setsid sleep 9999 & sleep 9999 &) ; sleep 9999 & exit 0"])
        left, stuck, used = kill_children(30.0, lambda child: child == spared.pid)
        print(left, stuck, len(used), spared.poll())
        spared.kill()
    """
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert told == "3 0 3 None\n"

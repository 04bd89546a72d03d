"""What processes use, held against what they are known to have used."""

from pathlib import Path

import psutil
import pytest

from jobwrap.launch.usage.figures import Figures
from jobwrap.launch.usage.processes import Processes, use_of
from tests.launch.processes import READY, child, running
from tests.run_test import wait_for

MIB = 1 << 20
TREES = Path(__file__).parent / "trees"


@pytest.mark.parametrize("size", [50, 200])
def test_memory_is_what_was_taken(size):
    with running(child(f"x = bytearray({size} << 20)" + READY)) as process:
        figures = Processes(process.pid).figures()
    assert size <= figures.memory / MIB < size + 30
    assert (figures.processes, figures.threads) == (1, 1)


SHARING = "import os\nx = bytearray(100 << 20)\nfor _ in range(5):\n if not os.fork(): break\n"


def test_memory_that_processes_share_counts_once():
    with running(child(SHARING + READY), ready=6) as process:
        figures = Processes(process.pid).figures()
    assert figures.processes == 6
    assert 100 <= figures.memory / MIB < 150


def test_what_is_shared_is_not_counted_at_each_look(monkeypatch):
    with running(child(SHARING + READY), ready=6) as process:
        source = Processes(process.pid)
        first = source.figures().memory
        monkeypatch.setattr("jobwrap.launch.usage.processes._proportional", None)
        assert abs(source.figures().memory - first) < 5 * MIB


def test_bytes_written_are_those_of_the_files(tmp_path):
    program = f"open({str(tmp_path / 'out')!r}, 'wb').write(bytes(20 << 20))"
    with running(child(program + READY)) as process:
        figures = Processes(process.pid).figures()
    assert 20 <= figures.written / MIB < 21


def test_the_use_of_a_child_that_has_ended_counts(tmp_path):
    burn = "import time\nwhile time.process_time() < 0.5: pass\n"
    write = f"open({str(tmp_path / 'out')!r}, 'wb').write(bytes(9 << 20))"
    with running(child(child(burn + write) + READY)) as process:
        figures = Processes(process.pid).figures()
    assert figures.processes == 1
    assert 0.5 <= figures.cpu < 10
    assert 9 <= figures.written / MIB < 10


def test_one_process_is_read_as_psutil_reads_it():
    with running("x = bytearray(20 << 20)" + READY) as process:
        oracle = psutil.Process(process.pid)
        wait_for(lambda: oracle.status() == psutil.STATUS_SLEEPING)  # then it reads and writes no more
        use = use_of(process.pid)
        times = oracle.cpu_times()
        assert use.cpu == pytest.approx(times.user + times.system, abs=0.02)
        assert use.resident == pytest.approx(oracle.memory_info().rss, rel=0.05)
        assert (use.read, use.written) == oracle.io_counters()[2:4]


def test_a_name_with_blanks_parentheses_and_a_line_end_confuses_nothing():
    with running("open('/proc/self/comm', 'w').write(') R 1 (\\n')" + READY) as process:
        assert psutil.Process(process.pid).name() == ") R 1 (\n"
        assert use_of(process.pid).resident > MIB


def test_a_process_that_is_gone_or_a_tree_that_is_hidden_tells_nothing(tmp_path):
    (tmp_path / "proc/10/task/10").mkdir(parents=True)
    (tmp_path / "proc/10/task/10/children").write_text("11")
    assert use_of(10, str(tmp_path)) is None
    assert Processes(10, str(tmp_path)).figures() == Figures()


@pytest.mark.parametrize(("tree", "keeper"), [("cgroup-v2", 690), ("cgroup-v1", 698)])
def test_a_recorded_tree_tells_its_task(tree, keeper):
    figures = Processes(keeper, str(TREES / tree)).figures()
    assert (figures.read, figures.written) == (1024, 30 * MIB)
    assert 100 * MIB < figures.memory < 115 * MIB
    assert figures.cpu > 1
    assert (figures.processes, figures.threads) == (1, 1)

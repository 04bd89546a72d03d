"""The channel between the gate and jobwrap, against a task that is after it."""

import os
import struct
import time

import pytest

from jobwrap.launch.gate import Gate, Said, Usage, heard
from tests.launch.gate_test import WAYS
from tests.launch.gated import APPTAINER, BUBBLEWRAP, IMAGES, Gated, run

KEY = bytes(range(16))
REPORT = struct.Struct("=16sc3xii4x18q")  # gate.c

# Tries, as a process of the same user, all ways to another's descriptors and memory; one line for each
# that was open: "PROCESS WAY".
SPY = r"""
import ctypes, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
ATTACH, DETACH, PIDFD_GETFD = 16, 17, 438
for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()):
    try:
        if "python" in open(f"/proc/{pid}/comm").read():
            continue  # on the node itself: the test's own processes
    except OSError:
        continue  # a process that has just ended
    for way in ("mem", "environ", "fd"):
        try:
            os.listdir(f"/proc/{pid}/fd") if way == "fd" else open(f"/proc/{pid}/{way}", "rb").read(0)
            print(pid, way)
        except OSError:
            pass
    for number in range(64):
        for mode in (os.O_RDONLY, os.O_WRONLY):
            try:
                os.close(os.open(f"/proc/{pid}/fd/{number}", mode | os.O_NONBLOCK))
                print(pid, "open", number)
            except OSError:
                pass
        try:
            stolen = libc.syscall(PIDFD_GETFD, os.pidfd_open(pid), number, 0)
        except OSError:
            continue  # a process that has just ended
        if stolen >= 0:
            print(pid, "steal", number)
            file = os.readlink(f"/proc/self/fd/{stolen}")
            if file.startswith("/memfd:jobwrap-gate"):
                print(pid, "program", number)
                for damage in (lambda: os.pwrite(stolen, b"\xcc" * 2000, 0), lambda: os.ftruncate(stolen, 0)):
                    try:
                        damage()
                        print(pid, "damage", number)
                    except OSError:
                        pass
            if file.startswith("socket:"):
                print(pid, "socket", number)
                for forged in (b"", b"S", b"D" * 176, b"x" * 4096):
                    socket.socket(fileno=os.dup(stolen)).send(forged, socket.MSG_DONTWAIT)
    if libc.ptrace(ATTACH, pid, None, None) == 0:
        print(pid, "ptrace")
        os.waitpid(pid, 0)
        libc.ptrace(DETACH, pid, None, None)
print("gate", os.getppid())
sys.exit(6)
"""
NUMPY = f"{IMAGES}/numpy:2.2.4"
SPIED = {
    "alone": (),
    "apptainer": (*APPTAINER, NUMPY),
    "apptainer-no-init": (*APPTAINER, "--no-init", NUMPY),
    "bwrap": (*BUBBLEWRAP, "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"),
    "bwrap-as-pid-1": (*BUBBLEWRAP, "--as-pid-1", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"),
}


def spied(place):
    """What a spying task found open: {process: {way}}, the gate's number there, and what the gate told."""
    ended = run(["python3", "-c", SPY], [("PATH", "/usr/bin:/bin")], runtime=SPIED[place])
    assert ended.code == 6, ended
    *lines, last = (line.split() for line in ended.stdout.decode().splitlines())
    found = {}
    for pid, way, *_ in lines:
        found.setdefault(pid, set()).add(way)
    return found, last[1], ended.said


@pytest.mark.node
@pytest.mark.parametrize("place", SPIED)
def test_a_task_finds_no_way_into_its_gate(place):
    found, gate, said = spied(place)
    assert gate not in found
    assert said.status == 6 << 8


@pytest.mark.node
def test_the_spy_does_find_ways_into_a_process_that_is_not_closed():
    """Apptainer's first process has copies of all: the channel cannot be opened there, nor forged."""
    found, _, said = spied("apptainer")
    assert {"fd", "open", "steal", "socket", "program", "mem"} <= found["1"]
    assert "damage" not in found["1"]
    assert (said.status, said.refused) == (6 << 8, None)


@pytest.mark.node
@pytest.mark.parametrize("place", ["apptainer-no-init", "bwrap-as-pid-1"])
def test_no_copy_of_the_channel_is_left_where_the_gate_is_the_first_process(place):
    assert spied(place)[0] == {}


@pytest.mark.node
def test_what_reads_the_tasks_output_sees_its_end_while_the_task_goes_on():
    with Gated(["sh", "-c", "exec >&- 2>&-; exec sleep 60"]) as task:
        task.gate.open([])
        assert task.process.stdout.read() == b""
        assert task.gate.said.status is None
        assert task.hear_until(lambda said: said.opened)
        task.gate.signal(15)
        assert task.end().said.status == 15


@pytest.mark.node
@pytest.mark.parametrize("way", WAYS)
def test_the_gates_number_is_the_one_that_jobwrap_sees(way):
    with Gated(["sleep", "60"], WAYS[way]) as task:
        task.gate.open([])
        task.hear_until(lambda said: said.opened)
        with open(f"/proc/{task.gate.pid}/comm") as file:
            assert file.read() == "jobwrap-gate\n"
        assert task.gate.signal(15)
        assert task.end().said.status == 15


def report(letter, number, key=KEY, found=0, usage=(0,) * 18):
    return REPORT.pack(key, letter, number, found, *usage)


def test_each_word_of_the_gate_is_understood():
    usage = (1, 500_000, 0, 250_000, 1024, 0, 0, 0, 8, 9, 0, 11, 12, 0, 0, 0, 16, 17)
    said = heard(Said(), KEY, b"S")
    assert said == Said(started=True)
    said = heard(said, KEY, report(b"X", 0))
    assert said == Said(started=True, opened=True)
    assert heard(said, KEY, report(b"E", 2, found=1)) == said._replace(refused=2, found=True)
    ended = heard(said, KEY, report(b"D", 15, usage=usage))
    assert ended.status == 15
    assert ended.usage == Usage(1.5, 0.25, 1 << 20, 8, 9, 11, 12, 16, 17)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"X",
        b"D",
        report(b"D", 0, key=bytes(16)),
        report(b"E", 2, key=KEY[::-1]),
        report(b"D", 0)[:-1],
        report(b"D", 0) + b"\0",
        bytes(4096),
    ],
)
def test_what_the_gate_did_not_say_changes_nothing(packet):
    assert heard(Said(started=True), KEY, packet) == Said(started=True)


def test_a_packet_of_no_bytes_is_not_the_end():
    gate = Gate("x86_64")
    channel = int(gate.argv(["true"])[1])
    for packet in (b"", b"S", b""):
        os.write(channel, packet)
    assert [gate.hear(), gate.hear(), gate.hear()] == [True, True, True]
    assert gate.said == Said(started=True)
    gate.close_child_ends()
    assert gate.hear() is False
    gate.close()


def test_the_gate_s_first_word_has_the_moment_when_it_was_said_not_heard():
    gate = Gate("x86_64")
    channel = int(gate.argv(["true"])[1])
    before = time.time()
    os.write(channel, b"S")
    after = time.time()
    os.write(channel, b"S")
    time.sleep(0.1)
    assert gate.hear() and gate.hear()
    [moment] = gate.moments
    assert before - 0.001 <= moment <= after + 0.001  # it tells microseconds, and rounds
    assert gate.pid == os.getpid()
    gate.close_child_ends()
    gate.close()


def test_opening_a_gate_that_is_gone_is_no_error():
    gate = Gate("x86_64")
    gate.close_child_ends()
    gate.open([("V", "x" * 1_000_000)])
    assert gate.hear() is False
    assert gate.signal(15) is False
    gate.close()


def test_a_gate_leaves_no_descriptor_behind():
    before = os.listdir("/proc/self/fd")
    gate = Gate("x86_64")
    gate.close_child_ends()
    gate.close()
    assert os.listdir("/proc/self/fd") == before

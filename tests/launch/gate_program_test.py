"""The gate's compiled forms: what they are made from, on which machines they run, what they take."""

import errno
import os
import signal
import subprocess
import sys
import zipfile

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.launch.gate import MACHINES, program
from tests.conftest import REPO
from tests.launch.gated import Gated, run

# ELF header: class, byte order, machine type (elf.h).
ELF = {"x86_64": (2, 1, 62), "aarch64": (2, 1, 183)}
QEMU = ("qemu-aarch64",)


@pytest.mark.node
def test_the_compiled_forms_are_what_the_source_compiles_to(tmp_path):
    subprocess.run([REPO / "bin/gate", "into", tmp_path], check=True)
    for machine in MACHINES:
        assert (tmp_path / machine).read_bytes() == program(machine), (
            f"run bin/gate: {machine} is older than gate.c"
        )


@pytest.mark.parametrize("machine", MACHINES)
def test_a_compiled_form_is_a_small_program_for_its_machine(machine):
    compiled = program(machine)
    assert (compiled[4], compiled[5], int.from_bytes(compiled[18:20], "little")) == ELF[machine]
    assert len(compiled) < 4096


def test_a_machine_without_a_gate_is_named():
    with pytest.raises(JobwrapError, match=r"ppc64le.*run on x86_64 or aarch64") as refusal:
        program("ppc64le")
    assert refusal.value.failure.name == "site.unsupported_cpu"


def test_the_compiled_form_is_found_in_a_zip_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in (
            "__init__.py",
            "failures.py",
            "launch/__init__.py",
            "launch/gate/__init__.py",
            "launch/gate/nameless.py",
            "launch/gate/x86_64",
        ):
            archive.write(REPO / "jobwrap" / name, f"jobwrap/{name}")
    ask = "import sys, jobwrap.launch.gate as gate; sys.stdout.buffer.write(gate.program('x86_64'))"
    environment = {"PYTHONPATH": str(tmp_path / "all.zip")}
    found = subprocess.run(
        [sys.executable, "-c", ask], env=environment, cwd="/", check=True, capture_output=True
    )
    assert found.stdout == program("x86_64")


@pytest.mark.node
@pytest.mark.parametrize(
    ("command", "code", "status"),
    [
        (["sh", "-c", "exit 143"], 143, 143 << 8),
        (["sh", "-c", "kill $$"], 143, 15),
        (["printenv", "V"], 0, 0),
    ],
)
def test_the_aarch64_form_starts_a_task_and_tells_its_end(command, code, status):
    ended = run(command, [("V", "x" * 120_000)], machine="aarch64", emulator=QEMU)
    assert (ended.code, ended.said.opened, ended.said.status) == (code, True, status)
    assert ended.stdout in (b"", b"x" * 120_000 + b"\n")
    assert ended.said.usage.peak > 0


@pytest.mark.node
@pytest.mark.parametrize(
    ("command", "why"), [("no-such-command", errno.ENOENT), ("/etc/passwd", errno.EACCES)]
)
def test_the_aarch64_form_tells_why_a_command_cannot_be_executed(command, why):
    assert run([command], machine="aarch64", emulator=QEMU).said.refused == why


@pytest.mark.node
def test_the_aarch64_form_hands_signals_on():
    task = ["sh", "-c", "trap 'exit 3' USR1; echo ready; while :; do sleep 0.02; done"]
    with Gated(task, machine="aarch64", emulator=QEMU) as gated:
        gated.gate.open([])
        assert gated.process.stdout.readline() == b"ready\n"
        gated.hear_until(lambda said: said.opened)
        assert gated.gate.signal(signal.SIGUSR1)
        assert gated.end().said.status == 3 << 8


@pytest.mark.node
def test_the_aarch64_form_ends_when_it_is_never_opened():
    with Gated(["echo", "ran"], machine="aarch64", emulator=QEMU) as task:
        task.hear_until(lambda said: said.started)
        task.gate.close()
        assert task.process.communicate(timeout=60)[0] == b""
        assert task.process.returncode == 125


def injecting(fault):
    """Runs the gate with a system call that fails, as the older kernel or the full node has it."""
    return ("strace", "-f", "-o", "/dev/null", "-e", f"inject={fault}")


@pytest.mark.node
def test_before_linux_5_11_descriptors_are_closed_one_by_one():
    kept = {os.dup(0) for _ in range(8)}
    for descriptor in kept:
        os.set_inheritable(descriptor, True)
    ended = run(["sh", "-c", "ls /proc/$$/fd"], runtime=injecting("close_range:error=ENOSYS"))
    for descriptor in kept:
        os.close(descriptor)
    assert set(ended.stdout.split()) - {b"10", b"255"} == {b"0", b"1", b"2"}


@pytest.mark.node
@pytest.mark.parametrize(
    ("fault", "why"), [("clone:error=EAGAIN", errno.EAGAIN), ("mmap:error=ENOMEM:when=2+", errno.ENOMEM)]
)
def test_a_node_without_room_for_a_process_is_told_with_errno(fault, why):
    ended = run(["echo", "ran"], [("V", "1")], runtime=injecting(fault))
    assert ended.said.refused == why
    assert (ended.code, ended.stdout, ended.said.status) == (126, b"", None)


@pytest.mark.node
def test_a_waiting_gate_takes_no_cpu_and_next_to_no_memory():
    with Gated(["sleep", "2"]) as task:
        task.gate.open([("V", "1")])
        task.hear_until(lambda said: said.opened)
        with open(f"/proc/{task.gate.pid}/status") as file:
            resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
        with open(f"/proc/{task.gate.pid}/stat") as file:
            user, system = file.read().rpartition(")")[2].split()[11:13]
        assert resident <= 64  # KiB
        assert (user, system) == ("0", "0")
        task.end()

"""The gate, compiled from its source, alone and under the real Apptainer."""

import errno
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.node
SOURCE = Path(__file__).parents[2] / "jobwrap/launch/gate/gate.c"
IMAGES = "/cvmfs/singularity.opensciencegrid.org"
KEY = bytes(range(16))
CFLAGS = ["-Os", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-Wall", "-Werror"]


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    program = tmp_path_factory.mktemp("gate") / "gate"
    subprocess.run(["gcc", *CFLAGS, "-o", program, SOURCE], check=True)
    return program.read_bytes()


def through_gate(gate, command, settings=(), *, runtime=(), send=True):
    """Starts command behind the gate; gives its exit code, stdout, stderr and what the gate said."""
    program = os.memfd_create("gate", 0)
    os.write(program, gate)
    status_read, status = os.pipe()
    go, go_write = os.pipe()
    error_read, error = os.pipe()
    inherited = (program, status, go, error)
    task = subprocess.Popen(
        [*runtime, f"/proc/self/fd/{program}", str(status), str(go), str(error), *command],
        pass_fds=inherited,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    for descriptor in inherited:
        os.close(descriptor)
    if send:
        block = b"".join(setting.encode() + b"\0" for setting in settings)
        os.write(go_write, KEY + struct.pack("=Q", len(block)) + block)
    os.close(go_write)
    output, _ = task.communicate(timeout=60)
    with os.fdopen(status_read, "rb") as status_pipe, os.fdopen(error_read, "rb") as error_pipe:
        said, stderr = status_pipe.read(), error_pipe.read()
    return task.returncode, output, stderr, said


APPTAINER = ("apptainer", "exec", "--contain", "--pid", "--ipc", "--cleanenv", "--no-home")
WAYS = {
    "alone": (),
    "apptainer": (*APPTAINER, f"{IMAGES}/htc/debian:12"),
}


@pytest.fixture(params=WAYS.values(), ids=WAYS.keys())
def runtime(request):
    if request.param:
        assert shutil.which("apptainer"), "the worker node has Apptainer"
    return request.param


@pytest.mark.parametrize("code", [0, 1, 2, 71, 85, 125, 126, 127, 255])
def test_the_tasks_exit_code_is_its_own(gate, runtime, code):
    assert through_gate(gate, ["sh", "-c", f"exit {code}"], runtime=runtime)[::3] == (code, b"SX")


def test_the_tasks_stderr_is_apart_from_the_runtimes(gate, runtime):
    assert through_gate(gate, ["sh", "-c", "echo words >&2"], runtime=runtime)[2] == b"words\n"


def test_a_value_arrives_byte_for_byte(gate, runtime):
    value = "$(id) `id` 'a' \"b\" = \n\t\\ ü " + "x" * 30000
    _, output, _, _ = through_gate(gate, ["printenv", "V"], [f"V={value}"], runtime=runtime)
    assert output.decode() == value + "\n"


def test_a_name_without_a_value_is_removed(gate, runtime):
    code, *_ = through_gate(gate, ["printenv", "V"], ["V=1", "V"], runtime=runtime)
    assert code == 1


@pytest.mark.parametrize(
    ("command", "why"),
    [("no-such-command", errno.ENOENT), ("/no/such/file", errno.ENOENT), ("/etc/passwd", errno.EACCES)],
)
def test_a_program_that_cannot_be_executed_is_proved_by_the_key(gate, runtime, command, why):
    assert through_gate(gate, [command], runtime=runtime)[3] == b"SXE" + KEY + bytes([why])


def test_the_task_does_not_start_when_the_gate_is_never_opened(gate, runtime):
    code, output, _, said = through_gate(gate, ["echo", "ran"], runtime=runtime, send=False)
    assert (code, output, said) == (125, b"", b"S")


def test_the_task_has_none_of_the_gates_descriptors(gate):
    _, output, _, _ = through_gate(gate, ["sh", "-c", "ls /proc/$$/fd"])
    # A shell may keep one of its own, 10 or 255.
    assert set(output.split()) - {b"10", b"255"} == {b"0", b"1", b"2"}


def test_a_container_that_cannot_start_says_nothing_at_the_gate(gate):
    code, _, _, said = through_gate(gate, ["true"], runtime=(*APPTAINER, "/no/such/image"))
    assert (code, said) == (255, b"")


def test_an_image_without_a_shell_runs_its_program(gate):
    image = f"{IMAGES}/htc/static:1"
    runtime = (*APPTAINER, image)
    code, output, _, said = through_gate(gate, ["/bin/report", "--exit", "7", "here"], runtime=runtime)
    assert (code, said) == (7, b"SX")
    assert b"here" in output

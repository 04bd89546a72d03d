"""The gate in every place where it runs: alone, under Apptainer and bubblewrap, nested, in a SIF."""

import errno
import os
import signal
import subprocess

import pytest

from tests.launch.gated import APPTAINER, BUBBLEWRAP, IMAGES, Gated, run

pytestmark = pytest.mark.node
DEBIAN = f"{IMAGES}/debian:12"
NESTING = (*APPTAINER, "--bind", "/cvmfs", "--bind", "/tmp", f"{IMAGES}/apptainer:1.4")
AS_FIRST = ("--as-pid-1", "--proc", "/proc", "--dev", "/dev")
WAYS = {
    "alone": (),
    "apptainer": (*APPTAINER, DEBIAN),
    "apptainer-no-init": (*APPTAINER, "--no-init", DEBIAN),
    "nested": (*NESTING, *APPTAINER, DEBIAN),
    "bwrap": (*BUBBLEWRAP, "--ro-bind", DEBIAN, "/", "--proc", "/proc", "--dev", "/dev"),
    "bwrap-as-pid-1": (*BUBBLEWRAP, "--ro-bind", DEBIAN, "/", *AS_FIRST),
}
# Where the gate is the first process of its namespace.
FIRST = ("apptainer-no-init", "bwrap-as-pid-1")
STATIC = {
    "apptainer": (*APPTAINER, f"{IMAGES}/static:1"),
    "bwrap": (*BUBBLEWRAP, "--ro-bind", f"{IMAGES}/static:1", "/", *AS_FIRST),
}
CODES = (0, 1, 71, 85, 126, 127, 143)
SIGNALS = (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV)


@pytest.fixture(params=WAYS)
def way(request):
    return request.param


@pytest.fixture
def runtime(way):
    return WAYS[way]


@pytest.fixture(scope="module")
def sif(tmp_path_factory):
    image = tmp_path_factory.mktemp("sif") / "static.sif"
    words = ["apptainer", "--silent", "build", image, f"{IMAGES}/static:1"]
    subprocess.run(words, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    return image


def ends_as(code=None, by=None):
    """(wait status, exit code) of a task that ended so."""
    return (code << 8, code) if by is None else (int(by), 128 + by)


@pytest.mark.parametrize("code", CODES)
def test_an_exit_code_is_told_and_passed_on(runtime, code):
    ended = run(["sh", "-c", f"exit {code}"], runtime=runtime)
    assert (ended.said.status, ended.code) == ends_as(code)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_death_by_signal_is_told_from_the_code_that_stands_for_it(runtime, number):
    ended = run(["sh", "-c", f"ulimit -c 0; kill -{int(number)} $$"], runtime=runtime)
    assert (ended.said.status, ended.code) == ends_as(by=number)


@pytest.mark.parametrize("runtime", STATIC.values(), ids=STATIC)
@pytest.mark.parametrize(
    ("words", "ended"),
    [
        (["--exit", "143"], ends_as(143)),
        (["--signal", "15"], ends_as(by=15)),
        (["--signal", "9"], ends_as(by=9)),
    ],
)
def test_an_image_without_a_shell_is_no_different(runtime, words, ended):
    said = run(["/bin/report", *words, "--", "here"], runtime=runtime)
    assert (said.said.status, said.code) == ended
    assert b"arg=here\n" in said.stdout


@pytest.mark.parametrize(
    ("words", "ended"),
    [(["--exit", "0"], ends_as(0)), (["--exit", "143"], ends_as(143)), (["--signal", "15"], ends_as(by=15))],
)
@pytest.mark.parametrize("first", [(), ("--no-init",)])
def test_a_sif_is_no_different(sif, first, words, ended):
    said = run(["/bin/report", *words], runtime=(*APPTAINER, *first, str(sif)))
    assert (said.said.status, said.code) == ended


@pytest.mark.parametrize(
    ("command", "why", "found", "code"),
    [
        ("no-such-command", errno.ENOENT, False, 127),
        ("/no/such/file", errno.ENOENT, False, 127),
        ("/etc/passwd", errno.EACCES, True, 126),
        ("/", errno.EACCES, True, 126),
        ("", errno.ENOENT, False, 127),
    ],
)
def test_a_command_that_cannot_be_executed_is_told_with_errno(runtime, command, why, found, code):
    ended = run([command], runtime=runtime)
    assert (ended.said.refused, ended.said.found, ended.code) == (why, found, code)
    assert ended.said.status is None


def test_a_missing_interpreter_is_told_from_a_missing_file(tmp_path):
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    said = run([str(script)]).said
    assert (said.refused, said.found) == (errno.ENOENT, True)


def test_a_text_without_an_interpreter_is_no_program(tmp_path):
    script = tmp_path / "script"
    script.write_text("echo ran\n")
    script.chmod(0o755)
    ended = run([str(script)])
    assert (ended.said.refused, ended.stdout) == (errno.ENOEXEC, b"")


def test_a_command_is_looked_for_as_execvp_does(tmp_path):
    for name, mode in (("first", 0o644), ("second", 0o755)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tool").write_text(f"#!/bin/sh\necho {name}\n")
        (tmp_path / name / "tool").chmod(mode)
    path = f"/no/such:{tmp_path}/first:{tmp_path}/first/tool:{tmp_path}/second"
    assert run(["tool"], [("PATH", path)]).stdout == b"second\n"
    assert run(["tool"], [("PATH", f"{tmp_path}/first")]).said.refused == errno.EACCES


def test_an_environment_that_is_too_large_is_told_with_errno(runtime):
    said = run(["true"], [("V", "x" * (128 << 10))], runtime=runtime).said
    assert (said.refused, said.status) == (errno.E2BIG, None)


def test_values_arrive_byte_for_byte(runtime):
    value = "$(id) `id` 'a' \"b\" = \n\t\\ ü \udcff " + "x" * 120_000
    ended = run(["printenv", "V"], [("V", value)], runtime=runtime)
    assert ended.stdout == os.fsencode(value) + b"\n"


def test_two_million_bytes_of_settings_do_not_hold_up_who_opens(runtime):
    settings = [(f"V{number}", "x" * 100_000) for number in range(18)]
    ended = run(["sh", "-c", "echo ${#V0} ${#V17}"], settings, runtime=runtime)
    assert ended.stdout == b"100000 100000\n"


def test_the_last_of_a_name_counts_and_none_removes_it():
    settings = [("V", "1"), ("W", "1"), ("V", "2"), ("W", None), ("NO", None)]
    stdout = run(["env"], settings, environment={"NO": "1", "PATH": "/usr/bin"}).stdout
    assert sorted(stdout.split()) == [b"PATH=/usr/bin", b"V=2"]


def test_the_environment_that_the_runtime_made_is_kept():
    stdout = run(["env"], [("V", "1")], runtime=WAYS["apptainer"]).stdout
    assert {b"V=1", b"APPTAINER_ENVIRONMENT=/.singularity.d/env/91-environment.sh"} <= set(stdout.split())


def test_the_task_does_not_start_at_a_gate_that_is_closed(runtime):
    with Gated(["echo", "ran"], runtime) as task:
        assert task.hear_until(lambda said: said.started).opened is False
        task.gate.close()
        stdout, _ = task.process.communicate(timeout=60)
    assert (task.process.returncode, stdout) == (125, b"")


def test_a_container_that_cannot_start_says_nothing_at_the_gate():
    ended = run(["true"], runtime=(*APPTAINER, "/no/such/image"))
    assert (ended.code, ended.said.started) == (255, False)


def test_the_tasks_stderr_is_apart_from_the_runtimes(runtime):
    assert run(["sh", "-c", "echo words >&2"], runtime=runtime).stderr == b"words\n"


def test_the_task_has_only_its_three_descriptors(runtime):
    # A shell may keep one of its own, 10 or 255.
    stdout = run(["sh", "-c", "ls /proc/$$/fd"], runtime=runtime).stdout
    assert set(stdout.split()) - {b"10", b"255"} == {b"0", b"1", b"2"}


@pytest.mark.parametrize("way", FIRST)
def test_a_task_cannot_end_a_gate_that_is_the_first_process(way):
    ended = run(["sh", "-c", "kill -9 -1; kill -9 $PPID; kill -9 1; exit 6"], runtime=WAYS[way])
    assert (ended.said.status, ended.code) == ends_as(6)


@pytest.mark.parametrize("way", [way for way in WAYS if way not in FIRST])
def test_a_task_that_kills_its_gate_is_killed_with_it_and_no_status_is_told(way):
    with Gated(["sh", "-c", "kill -9 $PPID; while :; do :; done"], WAYS[way]) as task:
        task.gate.open([])
        ended = task.end()
    assert ended.code in {-signal.SIGKILL, 128 + signal.SIGKILL}
    assert (ended.said.opened, ended.said.status, ended.stdout) == (True, None, b"")


def test_a_task_that_kills_its_group_ends_alone(runtime):
    ended = run(["sh", "-c", "kill -9 0; sleep 60"], runtime=runtime)
    assert (ended.said.status, ended.code) == ends_as(by=signal.SIGKILL)


def test_the_end_is_told_while_a_daemon_holds_the_streams(runtime):
    with Gated(["sh", "-c", "(setsid sleep 2 &); exit 5"], runtime) as task:
        task.gate.open([])
        assert task.hear_until(lambda said: said.status is not None).status == 5 << 8
        task.end()


def test_usage_is_that_of_the_task_and_of_the_children_it_waited_for(runtime):
    burn = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"
    usage = run(["sh", "-c", f"sh -c '{burn}'; sh -c '{burn}' & wait"], runtime=runtime).said.usage
    alone = run(["sh", "-c", "true"], runtime=runtime).said.usage
    assert usage.user > 5 * alone.user
    assert usage.minor > alone.minor
    assert usage.voluntary > 1
    assert 500_000 < alone.peak < 20_000_000


def test_memory_is_that_of_the_largest_process(runtime):
    usage = run(["sh", "-c", "head -c 60000000 /dev/zero | tail -n 1 | wc -c"], runtime=runtime).said.usage
    assert 60_000_000 < usage.peak < 150_000_000

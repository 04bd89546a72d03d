"""One container instance under each runtime of the node: how it ends, what it sees, what is left."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.conftest import TREE

pytestmark = pytest.mark.node


def sh(script):
    return ("--", "sh", "-c", script)


# What the task does, then: jobwrap's exit code, the signal in the record, the failure.
ENDS = {
    **{f"exit {code}": (code, None, "task.failed") for code in (1, 2, 71, 125, 126, 127, 128, 137, 143, 255)},
    "exit 0": (0, None, None),
    "exit 85": (85, None, None),  # a checkpoint
    **{f"kill -{number} $$": (128 + number, number, "task.killed") for number in (1, 2, 6, 9, 11, 15)},
    "kill -9 0": (137, 9, "task.killed"),
    # All that is left to kill is the first process, jobwrap's own: no task can.
    "kill -9 -1; kill -9 $PPID; kill -9 1; exit 3": (3, None, "task.failed"),
    "setsid sleep 9999 & exit 3": (3, None, "task.failed"),
    "(setsid sh -c 'trap \"\" TERM HUP; sleep 9999' &) ; exit 3": (3, None, "task.failed"),
    "exec 0<&- 1>&- 2>&-; exit 3": (3, None, "task.failed"),
    'for fd in 3 4 5 6 7 8 9; do eval "echo S >&$fd" 2>/dev/null; done; exit 3': (3, None, "task.failed"),
    "rm -rf /srv/* /srv/.[a-z]*; exit 3": (3, None, "task.failed"),
    "mkdir d; chmod 0 d; exit 3": (3, None, "task.failed"),
    "echo '{}' > jobwrap-record.json; exit 3": (3, None, "task.failed"),
    "rm -f jobwrap-record.json; mkdir jobwrap-record.json 2>/dev/null; exit 3": (3, None, "task.failed"),
}


@pytest.mark.parametrize("script", ENDS)
def test_how_the_task_ended_is_told_with_certainty_and_nothing_is_left(job, script):
    code, _, end = job(*sh(script))
    assert (code, end["signal"], end["failure"]) == ENDS[script]


@pytest.mark.parametrize(
    ("command", "failure"),
    [
        (["no-such"], "task.not_found"),
        (["/no/such"], "task.not_found"),
        (["/etc/passwd"], "task.not_executable"),
        (["/"], "task.not_executable"),
    ],
)
@pytest.mark.parametrize("image", ["shell", "no shell"])
def test_a_command_that_cannot_be_executed_is_proved_not_guessed(job, image, command, failure):
    code, _, end = job("--", *command, image=image)
    assert (end["of"], end["failure"]) == ("jobwrap", failure)
    assert code == {"task.not_found": 127, "task.not_executable": 126}[failure]


def test_a_task_without_a_shell_in_its_image_ends_as_itself(job):
    assert job("--", "/bin/report", "--exit", "9", image="no shell")[0] == 9
    assert job("--", "/bin/report", "--signal", "11", image="no shell")[2]["signal"] == 11


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_a_users_signal_reaches_the_task(job, number):
    name = number.name[3:]
    script = f"trap 'echo got {name}; exit 3' {name}; touch up; while :; do sleep 0.05; done"
    started = job.start_until("up", *sh(script))
    started.send_signal(number)
    ran = job.jobwrap.end(started)
    assert (ran.code, ran.stdout) == (3, f"got {name}\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_what_ends_the_job_reaches_the_task_as_itself(job, number):
    name = number.name[3:]
    handler = f'trap "" {name}; echo got {name}; exit 3'  # the second finds it at work
    started = job.start_until("up", *sh(f"trap '{handler}' {name}; touch up; while :; do sleep 0.05; done"))
    started.send_signal(number)
    started.send_signal(number)
    ran = job.jobwrap.end(started)
    assert (ran.code, ran.stdout, ran.record["end"]["failure"]) == (3, f"got {name}\n", "batch.terminated")


def test_a_task_that_ignores_term_is_killed_after_the_grace_period(job):
    script = "trap '' TERM; touch up; while :; do sleep 0.05; done"
    started = job.start_until("up", "--grace", "0.5", *sh(script))
    started.terminate()
    ran = job.jobwrap.end(started)
    assert (ran.code, ran.record["end"]["failure"]) == (137, "batch.terminated")


def test_sigkill_of_jobwrap_ends_all(job):
    job.kill(job.start_until("up", *sh("touch up; setsid sleep 9999 & exec sleep 9999")))


@pytest.mark.parametrize(
    "script",
    [
        "touch /usr/x",
        "echo x >> /etc/debian_version",
        "touch /cvmfs/data.example.org/x",
        "echo x > /srv/.jobwrap/record.json",
        "ls -A /srv/.jobwrap | grep .",
        "mkdir /srv/.jobwrap/x",
        "mv /srv/.jobwrap /srv/other",
        "rmdir /srv/.jobwrap",
        "echo x > ref",
        "kill -0 $OUTSIDE",
        "ls /home/job",
        "mount -t tmpfs none /mnt",
        "grep -q PR_SET /proc/$PPID/environ",
        "cat /proc/$PPID/fd/*",
        "ls /tmp/neighbour",
        "ls /dev/shm/neighbour",
    ],
)
def test_the_task_is_kept_out(job, script):
    with open("/tmp/neighbour", "w") as file, open("/dev/shm/neighbour", "w"):
        file.write("x")
    words = ("--input", "ref=/cvmfs/data.example.org/reference/hello.txt", "--env", f"OUTSIDE={os.getpid()}")
    code, stdout, _ = job(*words, *sh(f"{script} && echo in || exit 9"))
    assert (code, stdout.replace("in\n", "IN")) != (0, "IN")
    assert code == 9


def test_ipc_objects_of_others_are_out_of_sight(job):
    made = subprocess.run(["ipcmk", "-M", "4096"], check=True, capture_output=True, text=True).stdout
    try:
        assert job(*sh("cat /proc/sysvipc/shm | wc -l"))[1] == "1\n"
    finally:
        subprocess.run(["ipcrm", "-m", made.split()[-1]], check=True)


def test_no_privilege_can_be_gained(job):
    stdout = job("--", "grep", "NoNewPrivs", "/proc/self/status")[1]
    assert stdout.split() == ["NoNewPrivs:", "1"]


def test_without_a_network_only_its_own_loopback_is_there(job):
    stdout = job(
        "--network", "none", *sh("grep -c : /proc/net/dev; grep -q lo: /proc/net/dev; wc -l < /proc/net/tcp")
    )[1]
    assert stdout == "1\n1\n"


def test_a_path_with_any_character_can_be_bound(job, tmp_path):
    source = tmp_path / "a b,c=\"d'é"
    source.mkdir()
    (source / "x").write_text("seen\n")
    assert job("--bind", f"{source}:/srv/a b", "--", "cat", "a b/x")[1] == "seen\n"


def test_a_large_value_and_every_byte_arrive(job):
    value = "$(id) `id` 'a' \"b\" = \n\t\\ é " + "x" * 120_000
    assert job("--env", "V", "--", "printenv", "V", environ={"V": value})[1] == value + "\n"


def test_the_images_own_environment_is_there(job):
    assert job("--", "printenv", "JOBWRAP_SAMPLE_IMAGE")[1] == "htc/debian:12\n"


def test_the_runtimes_own_environment_is_not_the_tasks(job):
    assert "GOGC" not in job("--", "env")[1]


def test_the_image_is_the_one_the_plan_pinned(job):
    stdout = job("--", "cat", "/etc/debian_version")[1]
    assert stdout == Path(f"{TREE}/htc/debian:12/etc/debian_version").read_text()

"""Real tasks that fail for a real cause: it has its name, or the guess is right and its evidence is there."""

import json
import subprocess
import sys

import pytest

from jobwrap.node.cpu import LEVELS
from tests.conftest import REPO, Ran

pytestmark = pytest.mark.node
DEBIAN = ("--image", "htc/debian:12", "--")


@pytest.fixture
def build(jobwrap):
    """Compiles a C program into the scratch folder; its path as the task names it."""

    def build(name, source, *words):
        words = ["gcc", "-x", "c", "-", "-o", jobwrap.scratch / name, *words]
        subprocess.run(words, input=source, text=True, check=True)
        return f"./{name}"

    return build


@pytest.fixture
def run(jobwrap, tmp_path):
    """Runs jobwrap with its stderr in a file, as a batch system does."""

    def run(*words, **kwargs):
        with open(tmp_path / "stderr", "w+") as stderr:
            process = jobwrap.start(*words, stderr=stderr, **kwargs)
            stdout = process.communicate(timeout=120)[0].decode()
            stderr.seek(0)
            return Ran(process.returncode, stdout, stderr.read(), jobwrap.record())

    return run


def script(jobwrap, name, text, mode=0o755):
    (jobwrap.scratch / name).write_bytes(text.encode())
    (jobwrap.scratch / name).chmod(mode)


ILLEGAL = "int main(void) { __builtin_trap(); }"


def test_an_illegal_instruction_is_held_against_the_nodes_cpu(run, build):
    ran = run(*DEBIAN, build("ill", ILLEGAL, "-static"))
    assert (ran.code, ran.record["end"]["failure"]) == (132, "task.killed")
    assert "instructions that this CPU lacks" in ran.record["end"]["guess"]["sentence"]
    assert f"this CPU has {ran.record['node']['cpu']['level']}" in ran.record["end"]["evidence"][0]
    lacking = LEVELS[LEVELS.index(ran.record["node"]["cpu"]["level"]) + 1 :]
    facts = [each for each in ran.record["end"]["evidence"] if each.startswith("it lacks ")]
    assert [each.split()[2].rstrip(":") for each in facts] == list(lacking)
    assert "/srv/ill itself does not say what it asks for" in ran.record["end"]["evidence"]
    assert f"jobwrap: a guess: {ran.record['end']['guess']['sentence']}\n" in ran.stderr


def test_a_signal_of_the_shells_child_is_known_by_the_shells_exit_code(run, build):
    ran = run(*DEBIAN, "sh", "-c", f"{build('ill', ILLEGAL, '-static')}; exit $?")
    end = ran.record["end"]
    assert (end["code"], end["signal"], end["failure"]) == (132, None, "task.failed")
    assert "132 is what a shell gives for a child that SIGILL ended" in end["evidence"]
    assert "instructions that this CPU lacks" in end["guess"]["sentence"]


def test_a_program_built_for_a_newer_glibc_is_told_with_both_versions(run, build):
    source = "#include <stdlib.h>\nint main(int n, char **v) { return strtol(v[0], 0, 0); }"
    ran = run(*DEBIAN, build("new", source, "-std=gnu23"))
    end = ran.record["end"]
    assert end["failure"] == "task.failed"
    assert end["guess"]["sentence"].startswith("the program was built for glibc 2.38 and the image has 2.36")
    assert "GLIBC_2.38' not found" in end["evidence"][-1]


def test_a_library_that_the_image_lacks_is_named(run, build, tmp_path):
    (tmp_path / "f.c").write_text("int f(void) { return 0; }")
    words = ["gcc", "-shared", "-o", tmp_path / "libphysics.so", tmp_path / "f.c"]
    subprocess.run(words, check=True)
    program = build("p", "int f(void); int main(void) { return f(); }", f"-L{tmp_path}", "-lphysics")
    ran = run(*DEBIAN, program)
    assert (ran.code, ran.record["end"]["failure"]) == (127, "task.failed")
    assert ran.record["end"]["guess"]["sentence"].startswith("the library libphysics.so is not in the image")


def test_a_misspelt_command_is_told_with_what_there_is(run):
    ran = run(*DEBIAN, "sleeep", "3")
    assert ran.record["end"]["failure"] == "task.not_found"
    assert "the command sleeep was not found in the image (there is sleep" in ran.stderr


def test_a_command_that_a_shell_did_not_find_is_told_with_what_there_is(run):
    ran = run(*DEBIAN, "sh", "-c", "sha265sum x")
    end = ran.record["end"]
    assert (end["code"], end["failure"]) == (127, "task.failed")
    assert end["guess"]["sentence"].startswith(
        "the command sha265sum is not in the image (there is sha256sum"
    )


def test_a_file_that_is_not_in_scratch_is_told_with_the_one_that_is(run, jobwrap):
    script(jobwrap, "analyse.sh", "#!/bin/sh\n")
    ran = run(*DEBIAN, "./analyze.sh")
    assert "./analyze.sh was not found in the image (there is ./analyse.sh)" in ran.stderr


def test_a_missing_interpreter_is_named(run, jobwrap):
    script(jobwrap, "old.py", "#!/usr/bin/python2 -u\nprint 1\n")
    ran = run(*DEBIAN, "./old.py")
    assert ran.record["end"]["failure"] == "task.not_executable"
    assert "(/usr/bin/python2, which is to run it, is not in the image)" in ran.stderr


def test_windows_line_ends_are_found_in_a_script_that_is_the_command(run, jobwrap):
    script(jobwrap, "job.sh", "#!/bin/sh\r\necho\r\n")
    ran = run(*DEBIAN, "./job.sh")
    assert ran.record["end"]["failure"] == "task.not_executable"
    assert "(its lines end in CR LF, as Windows writes them)" in ran.stderr


def test_windows_line_ends_are_found_in_a_script_that_a_shell_reads(run, jobwrap):
    script(jobwrap, "job.sh", "set -e\r\nls\r\nexit 3\r\n")
    ran = run(*DEBIAN, "sh", "job.sh")
    assert ran.record["end"]["failure"] == "task.failed"
    assert ran.record["end"]["guess"]["sentence"].startswith("job.sh has lines that end in CR LF")


def test_a_mode_without_the_right_to_execute_is_told(run, jobwrap):
    script(jobwrap, "job.sh", "#!/bin/sh\n", mode=0o644)
    ran = run(*DEBIAN, "./job.sh")
    assert (ran.code, ran.record["end"]["failure"]) == (126, "task.not_executable")
    assert "(its mode is 0644, which lets nobody execute it)" in ran.stderr


def test_a_segmentation_fault_is_told_with_the_limit_of_the_stack(run, jobwrap, build):
    source = "int f(int n) { volatile char a[4096]; a[n & 4095] = n; return f(n + 1) + a[1]; }"
    source += "int main(void) { return f(0); }"
    jobwrap.program = ["prlimit", f"--stack={1 << 20}", *jobwrap.program]
    ran = run(*DEBIAN, build("deep", source, "-static", "-O0"))
    assert ran.record["end"]["signal"] == 11
    assert "or its stack was too small" in ran.record["end"]["guess"]["sentence"]
    assert "its stack is limited to 1.0 MiB (ulimit -s)" in ran.record["end"]["evidence"]


def test_the_limits_of_cpu_time_and_file_size_are_told_as_they_are(run, jobwrap):
    program = jobwrap.program
    jobwrap.program = ["prlimit", "--fsize=200000", *program]
    end = run(*DEBIAN, "dd", "if=/dev/zero", "of=out", "bs=1M", "count=1").record["end"]
    assert (end["signal"], "a file is limited to 195.3 KiB (ulimit -f)" in end["evidence"]) == (25, True)
    jobwrap.program = ["prlimit", "--cpu=2:9", *program]
    end = run(*DEBIAN, "sh", "-c", "while :; do :; done").record["end"]
    assert end["signal"] == 24
    assert "CPU time is limited to 2 s for a process (ulimit -t)" in end["evidence"]


def test_a_task_killed_from_outside_is_not_said_to_have_failed_itself(run):
    end = run(*DEBIAN, "sh", "-c", "kill -9 $$").record["end"]
    assert (end["failure"], end["guess"]["who"], end["guess"]["advice"]) == ("task.killed", "batch", "here")


MAPPED = """
#include <sys/mman.h>
#include <fcntl.h>
#include <unistd.h>
#include <string.h>
int main(void) {
    int file = open("mapped", O_CREAT | O_RDWR, 0644);
    ftruncate(file, 50000000);
    memset(mmap(0, 50000000, PROT_WRITE, MAP_SHARED, file, 0), 1, 50000000);
}
"""


@pytest.fixture
def on_a_small_disk(build, jobwrap, tmp_path):
    """Runs a task with the scratch folder on a disk of 3 MB; the record."""

    def run(*command):
        small = tmp_path / "small"
        small.mkdir()
        disk = ["bwrap", "--dev-bind", "/", "/", "--proc", "/proc", "--size", "3000000", "--tmpfs", small]
        words = [sys.executable, REPO / "bin/jobwrap", "--here", "--scratch", small, "--record", "-", "--"]
        ran = subprocess.run([*disk, *words, *command], check=False, capture_output=True, text=True)
        return json.loads(ran.stdout.splitlines()[-1])

    return run


def test_a_bus_error_on_a_full_disk_is_told_from_a_defect(on_a_small_disk, build, jobwrap):
    build("mapped", MAPPED, "-static")
    end = on_a_small_disk(jobwrap.scratch / "mapped")["end"]
    assert end["signal"] == 7
    assert "could not grow, as the disk is full" in end["guess"]["sentence"]
    assert end["evidence"][0].startswith("the disk of the scratch folder is full: ")


def test_a_task_that_ended_well_on_a_full_disk_has_that_in_its_record(on_a_small_disk):
    end = on_a_small_disk("sh", "-c", "cat /dev/zero > fill; exit 0")["end"]
    assert (end["failure"], end["guess"]) == (None, None)
    assert end["evidence"][0].startswith("the disk of the scratch folder is full: ")


def test_a_message_of_a_full_disk_is_the_evidence_where_the_task_says_it(run, on_a_small_disk, jobwrap):
    end = run(*DEBIAN, "sh", "-c", "echo 'write error: No space left on device' >&2; exit 1").record["end"]
    assert end["guess"]["sentence"].startswith("a disk was full")
    assert end["evidence"] == ["it wrote: write error: No space left on device"]


def test_only_what_this_task_wrote_is_evidence(jobwrap, tmp_path):
    with open(tmp_path / "log", "w+") as log:
        log.write("No space left on device\n")
        log.flush()
        jobwrap.start(*DEBIAN, "sh", "-c", "exit 1", stderr=log).communicate(timeout=60)
    assert jobwrap.record()["end"]["guess"] is None


def test_a_secret_in_the_last_lines_stays_out_of_the_record(run):
    words = ("sh", "-c", "echo 'AUTH_TOKEN=t0psecret1 No space left on device' >&2; exit 1")
    ran = run(*DEBIAN, *words)
    assert "t0psecret1" not in json.dumps(ran.record["end"])
    assert ran.record["end"]["guess"]["sentence"].startswith("a disk was full")

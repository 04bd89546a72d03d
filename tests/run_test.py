"""The main job, end to end, under the real Apptainer."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from jobwrap.failures import FAILURES
from tests.conftest import REPO, TREE
from tests.servers import serving

pytestmark = pytest.mark.node
DEBIAN = ("--image", "htc/debian:12")


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)
    return found


@pytest.mark.parametrize("code", [0, 1, 7, 71, 85, 126, 127, 255])
def test_the_tasks_exit_code_is_jobwraps_and_the_record_says_whose_it_is(jobwrap, code):
    ran = jobwrap.run(*DEBIAN, "--", "sh", "-c", f"exit {code}")
    assert ran.code == code
    assert (ran.record["end"]["of"], ran.record["end"]["code"]) == ("task", code)
    assert ran.record["end"]["failure"] == (None if code in (0, 85) else "task.failed")  # 85: a checkpoint


@pytest.mark.parametrize("command", [[], [""]])
def test_a_job_without_a_command_is_refused_before_the_launch(jobwrap, command):
    ran = jobwrap.run(*DEBIAN, "--", *command)
    assert (ran.record["end"]["failure"], ran.record["end"]["phase"]) == ("job.usage", "plan")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_a_task_ended_by_a_signal_is_128_and_the_signal(jobwrap, number):
    ran = jobwrap.run(*DEBIAN, "--", "sh", "-c", f"kill -{int(number)} $$")
    assert ran.code == 128 + number
    assert ran.record["end"]["signal"] == number
    assert ran.record["end"]["failure"] == "task.killed"


def test_a_code_that_looks_like_a_signal_is_told_from_one(jobwrap):
    ran = jobwrap.run(*DEBIAN, "--", "sh", "-c", "exit 143")
    assert (ran.code, ran.record["end"]["signal"]) == (143, None)


@pytest.mark.parametrize(
    ("words", "failure"),
    [
        (["--image", "htc/debain:12", "--", "true"], "image.not_found"),
        ([*DEBIAN, "--input", "none.csv", "--", "true"], "input.not_found"),
        (
            [
                *DEBIAN,
                "--input",
                f"/cvmfs/data.example.org/reference/hello.txt#sha256:{'0' * 64}",
                "--",
                "true",
            ],
            "input.checksum",
        ),
        ([*DEBIAN, "--", "no-such-command"], "task.not_found"),
        ([*DEBIAN, "--", "/etc/passwd"], "task.not_executable"),
        ([*DEBIAN, "--", "./no-interpreter"], "task.not_executable"),
        ([*DEBIAN, "--", "./no-header"], "task.not_executable"),
        ([*DEBIAN, "--output", "out.txt", "--", "true"], "output.missing"),
        ([*DEBIAN, "--bind", "/no/such", "--", "true"], "job.usage"),
        ([*DEBIAN, "--bind", "/proc", "--", "true"], "policy.forbidden"),
    ],
)
def test_a_failure_is_one_sentence_a_code_of_jobwraps_own_and_a_record(jobwrap, words, failure):
    for name, text in (("no-interpreter", "#!/no/such/python\n"), ("no-header", "echo\n")):
        (jobwrap.scratch / name).write_text(text)
        (jobwrap.scratch / name).chmod(0o755)
    ran = jobwrap.run(*words)
    assert ran.code == FAILURES[failure].code
    assert ran.record["end"]["failure"] == failure
    assert ran.record["end"]["of"] == "jobwrap"
    assert ran.stderr == f"jobwrap: {ran.record['end']['sentence']}\n"


def test_without_a_runtime_the_site_is_named(jobwrap, tmp_path):
    ran = jobwrap.run(*DEBIAN, "--", "true", environ={"PATH": str(tmp_path)})
    assert (ran.code, ran.record["end"]["failure"]) == (69, "site.no_runtime")


def test_an_unwritable_scratch_folder_is_told_on_stderr_record_and_all(jobwrap):
    jobwrap.scratch.chmod(0o555)
    ran = jobwrap.run(*DEBIAN, "--", "true")
    sentence = [line for line in ran.stderr.splitlines() if line.startswith("jobwrap: ")]
    record = json.loads(next(line for line in ran.stderr.splitlines() if line.startswith("{")))
    assert (ran.code, record["end"]["failure"]) == (73, "site.scratch")
    assert sentence == [f"jobwrap: {record['end']['sentence']}"]


def test_a_second_jobwrap_in_one_scratch_folder_is_refused(jobwrap):
    first = jobwrap.start(*DEBIAN, "--", "sleep", "60")
    wait_for(lambda: (jobwrap.record() or {}).get("phase") == "task")
    ran = jobwrap.run("--record", jobwrap.scratch / "second.json", *DEBIAN, "--", "true")
    first.terminate()
    jobwrap.end(first)
    assert ran.code == 73
    assert "another jobwrap is running" in ran.stderr


def test_the_task_starts_in_scratch_and_finds_its_inputs_there(jobwrap):
    (jobwrap.scratch / "sent.txt").write_text("sent\n")
    words = ("--input", "sent.txt", "--input", "hi=/cvmfs/data.example.org/reference/hello.txt")
    ran = jobwrap.run(*DEBIAN, *words, "--", "sh", "-c", "pwd; cat sent.txt hi; echo x > hi || echo kept")
    assert ran.stdout == "/srv\nsent\nHello from CVMFS\nkept\n"
    assert ran.record["end"]["failure"] is None
    assert sorted(os.listdir(jobwrap.scratch)) == ["jobwrap-record.json", "sent.txt"]


def test_an_input_on_cvmfs_is_bound_and_not_copied(jobwrap):
    word = "ref=/cvmfs/data.example.org/reference"
    ran = jobwrap.run(*DEBIAN, "--input", word, "--", "ls", "ref/parts")
    assert "part-0.txt" in ran.stdout
    bound = {"source": "/cvmfs/data.example.org/reference", "target": "/srv/ref", "writable": False}
    assert bound in ran.record["container"]["mounts"]
    assert "transfers" not in ran.record


def test_the_task_sees_none_of_the_callers_environment_but_the_allowed(jobwrap):
    environ = {
        "SECRET": "s",
        "LD_PRELOAD": "x",
        "BEARER_TOKEN": "t",
        "APPTAINER_BIND": "/",
        "OSG_SITE_NAME": "U",
    }
    ran = jobwrap.run(*DEBIAN, "--env", "MINE=$(id) 'a'\n=", "--", "env", "-0", environ=environ)
    seen = dict(each.split("=", 1) for each in ran.stdout.split("\0") if each)
    assert not {"SECRET", "LD_PRELOAD", "BEARER_TOKEN"} & set(seen)
    assert seen.get("APPTAINER_BIND") != "/"
    assert (seen["OSG_SITE_NAME"], seen["MINE"], seen["HOME"]) == ("U", "$(id) 'a'\n=", "/srv")
    assert {"name": "APPTAINER_BIND", "why": "a job may not steer the container runtime"} in ran.record[
        "container"
    ]["environment_dropped"]
    assert "$(id)" not in json.dumps(ran.record["container"])


def test_the_task_sees_only_its_own_processes(jobwrap):
    ran = jobwrap.run(*DEBIAN, "--", "sh", "-c", "cat /proc/[0-9]*/comm")
    assert not {"python3", "tini", "pytest"} & set(ran.stdout.split())


def test_the_task_cannot_see_jobwraps_own_folder(jobwrap):
    ran = jobwrap.run(*DEBIAN, "--", "sh", "-c", "ls -A .jobwrap; touch .jobwrap/x || echo refused")
    assert ran.stdout == "refused\n"


def test_temporary_files_lie_on_the_scratch_disk_and_are_gone_afterwards(jobwrap):
    ran = jobwrap.run(
        *DEBIAN, "--", "sh", "-c", "stat -f -c %T /tmp /var/tmp .; mkdir -m 0 /tmp/d /var/tmp/e"
    )
    assert len(set(ran.stdout.split())) == 1
    assert os.listdir(jobwrap.scratch) == ["jobwrap-record.json"]


def test_nothing_of_the_task_is_left_when_jobwrap_ends(jobwrap):
    ran = jobwrap.run(*DEBIAN, "--", "sh", "-c", "setsid sleep 4711 & setsid sh -c 'sleep 4711 &' ; exit 3")
    assert ran.code == 3
    assert (
        subprocess.run(["pgrep", "-f", "sleep 4711"], stdout=subprocess.DEVNULL, check=False).returncode == 1
    )


def test_the_batch_systems_term_reaches_the_task_and_the_record(jobwrap):
    started = jobwrap.start(
        *DEBIAN, "--", "sh", "-c", "trap 'echo saved; exit 5' TERM; touch up; sleep 60 & wait"
    )
    wait_for((jobwrap.scratch / "up").exists)
    started.terminate()
    ran = jobwrap.end(started)
    assert (ran.code, ran.stdout) == (5, "saved\n")
    assert ran.record["end"]["failure"] == "batch.terminated"


def test_a_task_that_ignores_term_is_killed_after_the_grace_period(jobwrap):
    words = ("--grace", "1", "--", "sh", "-c", "trap '' TERM; touch up; while :; do sleep 1; done")
    started = jobwrap.start(*DEBIAN, *words)
    wait_for((jobwrap.scratch / "up").exists)
    started.terminate()
    ran = jobwrap.end(started)
    assert (ran.code, ran.record["end"]["failure"]) == (137, "batch.terminated")


def test_a_task_that_runs_too_long_is_ended_by_name(jobwrap):
    ran = jobwrap.run(*DEBIAN, "--time", "3", "--", "sleep", "60")
    assert (ran.code, ran.record["end"]["failure"]) == (143, "limit.time")


def test_after_sigkill_of_jobwrap_nothing_runs_and_the_record_is_lost_in_its_phase(jobwrap):
    started = jobwrap.start(*DEBIAN, "--", "sh", "-c", "touch up; exec sleep 4712")
    wait_for((jobwrap.scratch / "up").exists)
    started.kill()
    started.communicate()
    gone = ["pgrep", "-f", "sleep 4712|[a]pptainer"]
    wait_for(lambda: subprocess.run(gone, stdout=subprocess.DEVNULL, check=False).returncode == 1)
    assert (jobwrap.record()["state"], jobwrap.record()["phase"]) == ("lost", "task")


def test_after_sigkill_the_same_scratch_folder_serves_again(jobwrap):
    test_after_sigkill_of_jobwrap_nothing_runs_and_the_record_is_lost_in_its_phase(jobwrap)
    assert wait_for(lambda: jobwrap.run(*DEBIAN, "--", "true").code == 0)


def test_an_output_is_delivered_outside_scratch(jobwrap, tmp_path):
    place = tmp_path / "results" / "out.txt"
    ran = jobwrap.run(*DEBIAN, "--output", f"out.txt=file://{place}", "--", "sh", "-c", "echo done > out.txt")
    assert (ran.code, place.read_text()) == (0, "done\n")
    (told,) = ran.record["outputs"]
    assert (told["name"], told["url"], told["bytes"], told["attempts"]) == (
        "out.txt",
        f"file://{place}",
        5,
        1,
    )
    assert told["checksum"] == ["sha256", hashlib.sha256(b"done\n").hexdigest()]


@pytest.mark.parametrize("make", ["ln -s /etc/passwd out", "mkfifo out", "ln -s /etc out; true"])
def test_an_output_that_leaves_scratch_is_refused(jobwrap, tmp_path, make):
    name = "out/passwd" if make.endswith("true") else "out"
    ran = jobwrap.run(*DEBIAN, "--output", f"{name}={tmp_path}/leaked", "--", "sh", "-c", make)
    assert (ran.code, ran.record["end"]["failure"]) == (77, "output.refused")
    assert not (tmp_path / "leaked").exists()


def test_an_image_without_a_shell_runs_its_program(jobwrap):
    ran = jobwrap.run("--image", "htc/static:1", "--", "/bin/report", "--exit", "9", "--", "here")
    assert ran.code == 9
    assert "arg=here\n" in ran.stdout and "cwd=/srv\n" in ran.stdout


def test_without_a_container_the_task_runs_here_on_request(jobwrap):
    words = ("--here", "--input", "hi=/cvmfs/data.example.org/reference/hello.txt")
    ran = jobwrap.run(*words, "--", "sh", "-c", "pwd; cat hi; (setsid sleep 4713 &); exit 6")
    assert (ran.code, ran.stdout) == (6, f"{jobwrap.scratch}\nHello from CVMFS\n")
    assert ran.record["image"] is None
    assert (
        subprocess.run(["pgrep", "-f", "sleep 4713"], stdout=subprocess.DEVNULL, check=False).returncode == 1
    )
    assert os.listdir(jobwrap.scratch) == ["jobwrap-record.json"]


def test_a_task_without_a_container_has_nothing_of_a_runtimes_environment(jobwrap):
    assert "GOGC" not in jobwrap.run("--here", "--", "env").stdout


def test_a_dry_run_tells_the_plan_and_its_reasons_and_writes_nothing(jobwrap):
    ran = jobwrap.run(
        "--dry-run", *DEBIAN, "--input", "hi=/cvmfs/data.example.org/reference/hello.txt", "--", "true"
    )
    assert (ran.code, os.listdir(jobwrap.scratch)) == (0, [])
    assert "mount     /cvmfs/data.example.org/reference/hello.txt at /srv/hi" in ran.stdout
    assert "htc/debian:12 is pinned to" in ran.stdout


def test_a_dry_run_of_a_job_that_could_not_run_ends_with_the_failures_code(jobwrap):
    ran = jobwrap.run("--dry-run", "--image", "htc/none:1", "--", "true")
    assert (ran.code, os.listdir(jobwrap.scratch)) == (66, [])


def test_a_dry_run_as_json_is_what_a_records_plan_holds(jobwrap):
    plan = json.loads(jobwrap.run("--dry-run", "--json", *DEBIAN, "--", "true").stdout)
    record = jobwrap.run(*DEBIAN, "--", "true").record
    assert plan["container"] == record["container"]
    assert plan["image"] == record["image"]


def test_binary_streams_pass_through_untouched(jobwrap):
    started = jobwrap.start(*DEBIAN, "--", "sh", "-c", "head -c 1000000 /dev/zero; printf '\\377\\n' >&2")
    stdout, stderr = started.communicate(timeout=60)
    assert (stdout, stderr) == (bytes(1000000), b"\xff\n")


def test_an_input_over_http_is_fetched_checked_and_in_the_record(jobwrap, tmp_path):
    with serving(tmp_path / "www") as server:
        (tmp_path / "www/data.bin").write_bytes(bytes(1 << 20))
        digest = hashlib.sha256(bytes(1 << 20)).hexdigest()
        word = f"data.bin={server.url}/data.bin?token=s3cret#sha256:{digest}"
        ran = jobwrap.run(*DEBIAN, "--input", word, "--", "stat", "-c", "%s", "data.bin")
    assert (ran.code, ran.stdout) == (0, "1048576\n")
    assert ran.record["transfers"][0]["bytes"] == 1 << 20
    assert "s3cret" not in json.dumps(ran.record)


@pytest.mark.parametrize(
    ("word", "failure"),
    [
        ("none.bin=URL/none.bin", "input.not_found"),
        (f"data.bin=URL/data.bin#sha256:{'0' * 64}", "input.checksum"),
    ],
)
def test_an_input_that_does_not_come_ends_the_job_before_the_task(jobwrap, tmp_path, word, failure):
    with serving(tmp_path / "www") as server:
        (tmp_path / "www/data.bin").write_bytes(b"data")
        ran = jobwrap.run(*DEBIAN, "--input", word.replace("URL", server.url), "--", "touch", "ran")
    assert (ran.code, ran.record["end"]["failure"]) == (FAILURES[failure].code, failure)
    assert os.listdir(jobwrap.scratch) == ["jobwrap-record.json"]
    assert len(ran.stderr.splitlines()) == 1


def test_a_dry_run_asks_whether_an_input_is_there(jobwrap, tmp_path):
    with serving(tmp_path / "www") as server:
        ran = jobwrap.run("--dry-run", *DEBIAN, "--input", f"{server.url}/none.bin", "--", "true")
    assert (ran.code, os.listdir(jobwrap.scratch)) == (66, [])


def nested(*flags):
    """The words that put jobwrap into a container of the node's own Apptainer first."""
    binds = f"/cvmfs,/tmp,{REPO}"
    return ["apptainer", "--quiet", "exec", *flags, "--bind", binds, f"{TREE}/htc/apptainer:1.4"]


def test_in_a_container_that_allows_it_the_task_runs_in_one_more(jobwrap):
    jobwrap.program = [*nested(), "python3", str(REPO / "bin/jobwrap")]
    ran = jobwrap.run(*DEBIAN, "--", "sh", "-c", "cat /etc/debian_version; exit 7")
    assert (ran.code, ran.stdout[:3]) == (7, "12.")
    assert ran.record["node"]["container"] == "apptainer"


WITHOUT_NAMESPACES = (
    *("bwrap", "--unshare-user", "--disable-userns", "--dev-bind", "/", "/", "--proc", "/proc"),
    *(sys.executable, str(REPO / "bin/jobwrap")),
)


def test_in_a_container_that_does_not_allow_another_the_site_is_named(jobwrap):
    # A container is known by its mark in the root folder.
    mark = ("--tmpfs", "/run", "--symlink", "none", "/run/.containerenv")
    jobwrap.program = [*WITHOUT_NAMESPACES[:-2], *mark, *WITHOUT_NAMESPACES[-2:]]
    ran = jobwrap.run(*DEBIAN, "--", "true")
    assert (ran.code, ran.record["end"]["failure"]) == (69, "site.no_nesting")


def test_on_a_node_without_user_namespaces_the_site_is_named(jobwrap):
    jobwrap.program = WITHOUT_NAMESPACES
    ran = jobwrap.run(*DEBIAN, "--", "true")
    assert (ran.code, ran.record["end"]["failure"]) == (69, "site.no_user_namespaces")


def test_in_a_container_the_task_runs_directly_on_request(jobwrap):
    jobwrap.program = [*nested(), "python3", str(REPO / "bin/jobwrap")]
    ran = jobwrap.run("--here", "--", "sh", "-c", "cat /etc/debian_version; exit 7")
    assert (ran.code, ran.stdout[:3]) == (7, "13.")


AT_THE_PLAN = """
import os, signal, sys
sys.path.insert(0, sys.argv.pop(1))
from jobwrap import told
from jobwrap.cli import main
told.as_record = lambda plan: os.kill(os.getpid(), signal.SIGTERM)
raise SystemExit(main())
"""


def test_a_signal_right_after_the_containers_start_leaves_nothing_of_it(jobwrap, tmp_path):
    (tmp_path / "data").write_text("an input")
    jobwrap.program = [sys.executable, "-c", AT_THE_PLAN, str(REPO)]
    ran = jobwrap.run(*DEBIAN, "--input", f"data={tmp_path}/data", "--", "sleep", "60")
    assert (ran.code, ran.record["end"]["failure"]) == (143, "batch.terminated")
    assert os.listdir(jobwrap.scratch) == ["jobwrap-record.json"]

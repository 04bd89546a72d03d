"""From what was seen to what went wrong."""

import pytest

from jobwrap.diagnose import Ending, failed, unforeseen, with_infra_code
from jobwrap.failures import JobwrapError

HUNG = JobwrapError("site.cvmfs_hung", path="/cvmfs/x", seconds=20)


def test_the_sites_failures_end_with_the_code_that_the_pool_wants():
    assert with_infra_code(failed(HUNG), 71).code == 71


def test_without_such_a_code_a_failure_has_its_own():
    assert with_infra_code(failed(HUNG), None).code == 69


@pytest.mark.parametrize(
    "ending",
    [
        failed(JobwrapError("job.usage", problem="no command was given")),
        Ending(3, None, "task", JobwrapError("task.failed", code=3)),
        Ending(143, 15, "task", JobwrapError("batch.terminated", signal=15, signal_name="SIGTERM")),
        Ending(0, None, "task", None),
    ],
)
def test_the_users_failures_and_the_tasks_end_keep_their_code(ending):
    assert with_infra_code(ending, 71) == ending


@pytest.mark.node
def test_a_pool_gets_its_one_code_and_the_record_tells_which_failure_it_was(jobwrap, tmp_path):
    words = ("--infra-exit-code", "71", "--image", "htc/debian:12", "--")
    ran = jobwrap.run(*words, "true", environ={"PATH": str(tmp_path)})
    assert (ran.code, ran.record["end"]["code"]) == (71, 71)
    assert (ran.record["end"]["failure"], ran.record["end"]["action"]) == ("site.no_runtime", "requeue")
    assert jobwrap.run(*words, "sh", "-c", "exit 3").code == 3
    assert jobwrap.run(*words, "no-such-command").code == 127


@pytest.mark.node
def test_a_runtime_that_is_only_half_installed_is_the_sites(jobwrap):
    hidden = (
        "bwrap",
        "--dev-bind",
        "/",
        "/",
        "--proc",
        "/proc",
        "--tmpfs",
        "/usr/lib/x86_64-linux-gnu/apptainer",
    )
    jobwrap.program = [*hidden, *jobwrap.program]
    ran = jobwrap.run("--image", "htc/debian:12", "--", "true")
    assert (ran.code, ran.record["end"]["failure"]) == (71, "site.runtime_failed")
    assert "starter" in ran.record["end"]["sentence"]


@pytest.mark.node
@pytest.mark.parametrize("limit", ["nproc", "nofile"])
def test_a_node_without_room_for_a_process_or_file_is_the_sites(jobwrap, limit):
    least = {"nproc": 1, "nofile": 15}[limit]
    jobwrap.program = ["prlimit", f"--{limit}={least}", *jobwrap.program]
    ran = jobwrap.run("--image", "htc/debian:12", "--", "true")
    assert (ran.code, ran.record["end"]["failure"]) == (71, "site.exhausted")
    assert ran.stderr == f"jobwrap: {ran.record['end']['sentence']}\n"


@pytest.mark.node
def test_a_runtime_that_has_no_memory_is_told_by_its_first_words(jobwrap):
    jobwrap.program = ["prlimit", f"--as={200 << 20}", *jobwrap.program]
    ran = jobwrap.run("--image", "htc/debian:12", "--", "true")
    assert (ran.code, ran.record["end"]["failure"]) == (71, "site.runtime_failed")
    assert "could not start the container: fatal error: " in ran.stderr


@pytest.mark.parametrize("where", [(), ("--scratch", "/tmp")])
def test_a_folder_that_has_gone_under_jobwrap_is_named(jobwrap, where):
    gone = jobwrap.scratch / "gone"
    gone.mkdir()
    jobwrap.program = ["sh", "-c", 'rmdir "$PWD"; exec "$@"', "sh", *jobwrap.program]
    jobwrap.scratch = gone
    ran = jobwrap.run(*where, "--here", "--", "true")
    assert ran.code == 73
    assert "it has gone, and jobwrap stands in it" in ran.stderr and "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (MemoryError(), "site.exhausted"),
        (RuntimeError("can't start new thread"), "site.exhausted"),
        (OSError(28, "No space left on device", "/scratch/x"), "site.scratch"),
        (OSError(2, "No such file or directory", "/x"), "jobwrap.bug"),
        (KeyError("x"), "jobwrap.bug"),
    ],
)
def test_what_no_room_has_caught_is_the_nodes_or_a_defect(error, failure):
    assert unforeseen(error).failure.name == failure

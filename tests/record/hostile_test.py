"""What a task may do to its record: it is there in the end, and it is jobwrap's."""

import json

import pytest

pytestmark = pytest.mark.node


@pytest.mark.parametrize(
    "harm",
    [
        'echo "{}" > jobwrap-record.json',
        "chmod 000 jobwrap-record.json",
        "rm jobwrap-record.json",
        "ln -sf /etc/passwd jobwrap-record.json",
        "rm jobwrap-record.json; mkfifo jobwrap-record.json",
        "rm jobwrap-record.json; mkdir jobwrap-record.json; touch jobwrap-record.json/x",
        "chmod 555 .",
        "chmod 000 .",
        "rm -rf .jobwrap; mv .jobwrap x",
        "echo x > jobwrap-record.json.new; echo x > .jobwrap-record.json.new",
    ],
)
@pytest.mark.parametrize("where", ["--image=htc/debian:12", "--here"])
def test_whatever_the_task_does_to_it_the_record_is_there_and_whole(jobwrap, harm, where):
    ran = jobwrap.run(where, "--", "sh", "-c", f"{harm}; exit 7")
    assert (ran.code, ran.record["state"], ran.record["end"]["code"]) == (7, "finished", 7)
    assert ran.record["job"]["command"][2].startswith(harm)


def test_a_task_that_removes_its_scratch_folder_leaves_the_record_to_stderr(jobwrap):
    ran = jobwrap.run("--here", "--", "sh", "-c", 'rm -rf "$PWD"; exit 7')
    told = next(line for line in ran.stderr.splitlines() if line.startswith("{"))
    assert (ran.code, json.loads(told)["end"]["code"]) == (7, 7)

"""jobwrap record: what a person gets to see of a record."""

import copy
import fcntl
import json
import os

import pytest

from jobwrap import cli, control
from jobwrap.record.difference import differences
from jobwrap.record.form import problems
from tests.record.making import FAILED, JOB, WELL, a_lost_record, a_record


@pytest.fixture
def put(tmp_path):
    """Writes a record into a file of that name; its path."""

    def put(record, name="jobwrap-record.json"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(record))
        return str(path)

    return put


def test_show_tells_the_end_first_then_what_it_rested_on(put, capsys):
    assert cli.main(["record", "show", put(a_record(FAILED))]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[:4] == [
        "task.failed, exit code 3 (the task's own)",
        "  the task ended with exit code 3; look at its own messages",
        "  evidence: its last line was: no such column",
        "  who acts: user; try again: never",
    ]
    assert "command   python3 fit.py --n 3" in told
    assert "node      wn1: x86_64, x86-64-v3, AMD EPYC 7763" in told
    assert "dropped   /ceph: it is not on this node" in told
    assert "\x1b" not in "".join(told)


@pytest.mark.parametrize(
    ("record", "verdict"),
    [
        (a_record(WELL), "all went well"),
        (a_lost_record("stage-in"), "lost in the phase stage-in: jobwrap ended without its last word"),
    ],
)
def test_show_takes_a_scratch_folder_and_a_lost_record_too(put, tmp_path, capsys, record, verdict):
    put(record)
    assert cli.main(["record", "show", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[0] == verdict


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"schema": 1, "state": "finished", "phase": "x", "job": 3}']
)
def test_what_is_no_record_is_refused_in_one_line(tmp_path, capsys, content):
    (tmp_path / "x.json").write_text(content)
    assert cli.main(["record", "show", str(tmp_path / "x.json")]) == 65
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_validate_tells_each_problem_and_that_there_is_none(put, capsys):
    path = put(a_record())
    assert cli.main(["record", "validate", path]) == 0
    assert capsys.readouterr().out == "valid\n"
    path = put({**a_record(), "phase": "lunch"})
    assert cli.main(["record", "validate", path]) == 1
    assert f"{path}: record.phase: " in capsys.readouterr().out


def test_diff_tells_what_was_different_and_not_what_always_is(put, capsys):
    worked, failed = a_record(WELL), a_record(FAILED)
    failed["node"]["cpu"]["level"] = "x86-64-v2"
    failed["container"]["environment"].append("OMP_NUM_THREADS")
    failed["container"]["mounts"][0]["writable"] = False
    assert cli.main(["record", "diff", put(worked, "a.json"), put(failed, "b.json")]) == 1
    told = capsys.readouterr().out
    assert "node.cpu.level\n  x86-64-v3\n  x86-64-v2\n" in told
    assert 'container.environment\n  []\n  ["OMP_NUM_THREADS"]\n' in told
    assert "container.mounts[/srv].writable\n  true\n  false\n" in told
    assert "end.code\n  0\n  3\n" in told
    assert "started" not in told and "\nid" not in told


def test_two_runs_of_the_same_do_not_differ(put, capsys):
    assert cli.main(["record", "diff", put(a_record(), "a.json"), put(a_record(), "b.json")]) == 0
    assert capsys.readouterr().out == ""


def test_a_measured_figure_differs_only_where_it_tells_something():
    one, other = a_record(), a_record()
    other["usage"].update(seconds=one["usage"]["seconds"] * 1.5)
    assert differences(one, other) == []
    other["usage"].update(seconds=100.0)
    assert differences(one, other) == [("usage.seconds", 2.5, 100.0)]


def test_that_each_run_has_a_folder_and_figures_of_its_own_is_no_difference():
    one, other = (
        a_record(job=JOB._replace(scratch=f"/scratch/dir_{number}"), container={"mounts": [mount]})
        for number in (1, 2)
        for mount in [{"source": f"/scratch/dir_{number}/.jobwrap/tmp", "target": "/tmp"}]
    )
    one["node"]["slot"].update(free_disk=80_000_000_000)
    other["node"]["slot"].update(free_disk=79_000_000_000)
    other["usage"].update(peak_disk=4096, samples=1, switches_forced=3)
    assert differences(one, other) == [("job.scratch", "/scratch/dir_1", "/scratch/dir_2")]
    other["node"]["slot"].update(free_disk=0)
    assert differences(one, other)[1] == ("node.slot.free_disk", 80_000_000_000, 0)


def test_show_tells_what_became_of_the_tasks_streams(put, capsys):
    stderr = {"bytes": 3 << 20, "dropped": 1 << 20, "last_lines": ["no such column", "bye"]}
    record = a_record(streams={"stdout": {"file": "out.txt", "bytes": 5}, "stderr": stderr})
    assert problems(record) == []
    cli.main(["record", "show", put(record)])
    told = capsys.readouterr().out
    assert "\nstdout    in out.txt, 5 bytes written\n" in told
    lines = "\n          no such column\n          bye\n"
    assert f"\nstderr    3.0 MiB written, 1.0 MiB of it dropped: beyond the limit{lines}" in told


def lost_in(folder):
    """A scratch folder as SIGKILL leaves it; the task put an older record in the place of its own."""
    inside = folder / control.NAME
    inside.mkdir()
    (inside / "lock").touch()
    job = JOB._replace(scratch=str(folder))
    (inside / "record.json").write_text(json.dumps(a_lost_record("task", job)))
    (folder / "jobwrap-record.json").write_text(json.dumps(a_lost_record("launch", job)))


def test_finish_makes_the_record_of_a_job_that_is_no_more_a_final_one(tmp_path, capsys):
    lost_in(tmp_path)
    assert cli.main(["record", "finish", str(tmp_path)]) == 0
    record = json.loads((tmp_path / "jobwrap-record.json").read_text())
    assert problems(record) == []
    end = record["end"]
    assert (end["failure"], end["phase"], end["code"]) == ("batch.lost", "task", None)
    assert end["evidence"] == [
        "jobwrap was ended by SIGKILL, which can come from the batch system or for want of memory"
    ]
    assert cli.main(["record", "finish", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[1] == f"{tmp_path}: was finished already"


def test_finish_leaves_the_record_of_a_job_that_still_runs(tmp_path, capsys):
    lost_in(tmp_path)
    before = (tmp_path / "jobwrap-record.json").read_text()
    with open(tmp_path / control.NAME / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert cli.main(["record", "finish", str(tmp_path)]) == 1
    assert capsys.readouterr().out == f"{tmp_path}: its job still runs\n"
    assert (tmp_path / "jobwrap-record.json").read_text() == before


@pytest.mark.parametrize(
    ("change", "evidence"),
    [
        ({"boot": "another"}, "the machine was started anew since then"),
        ({"hostname": "wn7"}, "the job ran on wn7; nothing of it is to be seen from here"),
    ],
)
def test_finish_says_why_little_is_known(put, change, evidence):
    record = copy.deepcopy(a_lost_record())
    if "boot" in change:
        record["jobwrap"].update(change)
    else:
        record["node"] = change
    path = put(record)
    assert cli.main(["record", "finish", path]) == 0
    with open(path) as file:
        assert json.load(file)["end"]["evidence"] == [evidence]


def test_finish_tells_when_the_last_sign_of_the_job_was(put):
    path = put({**a_lost_record(), "started": "2026-01-01T00:00:00.000Z"})
    os.utime(path, (1767225690.5, 1767225690.5))  # 90.5 s later
    assert cli.main(["record", "finish", path]) == 0
    with open(path) as file:
        record = json.load(file)
    assert (record["ended"], record["seconds"]) == ("2026-01-01T00:01:30.500Z", 90.5)


def test_a_finished_record_is_explained_and_shown_also_where_nobody_saw_a_code(tmp_path, capsys):
    lost_in(tmp_path)
    cli.main(["record", "finish", str(tmp_path)])
    capsys.readouterr()
    assert cli.main(["explain", str(tmp_path / "jobwrap-record.json")]) == 0
    assert "batch.lost (exit code which nobody saw)" in capsys.readouterr().out
    assert cli.main(["record", "show", str(tmp_path)]) == 0
    assert "an exit code that nobody saw" in capsys.readouterr().out


def test_a_record_of_the_future_is_told_from_one_that_is_damaged(put, capsys):
    assert cli.main(["record", "validate", put({**a_record(), "schema": 2})]) == 1
    assert "record.schema: must be 1" in capsys.readouterr().out

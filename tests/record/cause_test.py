"""HTCondor's event logs, as a real pool wrote them (logs/): why it ended a job."""

import json
import os
from pathlib import Path

import pytest

from jobwrap import cli
from jobwrap.record.cause import find_cause
from jobwrap.record.form import problems
from tests.record.making import JOB, WELL, a_lost_record, a_record

LOGS = Path(__file__).with_name("logs")
TERMINATED = {
    "of": "task",
    "code": 143,
    "signal": 15,
    "failure": "batch.terminated",
    "who": "batch",
    "advice": "here",
    "action": "leave",
    "sentence": "the batch system ended the job (SIGTERM)",
    "evidence": [],
}


def job_of(cluster, folder="", **ids):
    """The job of a log, in the scratch folder that the log has for that start."""
    ids = {"ClusterId": str(cluster), "ProcId": "0", **ids}
    return JOB._replace(ids=tuple(ids.items()), scratch=f"/var/lib/condor/execute/{folder}")


def cause_of(log, cluster, folder, **ids):
    return find_cause(a_lost_record(job=job_of(cluster, folder, **ids)), str(LOGS / log))


@pytest.mark.parametrize(
    ("log", "cluster", "folder", "failure", "word"),
    [
        ("hold.log", 1, "dir_277", "batch.held", "on hold: I want to look at it (by user job); "),
        ("hold.xml", 4, "dir_385", "batch.held", "on hold: via condor_hold (by user job); "),
        ("hold.json", 1, "dir_255", "batch.held", "on hold: I want to look at it (by user job); "),
        ("periodic.log", 5, "dir_425", "batch.held", "on hold: ran too long; "),
        ("jobduration.log", 7, "dir_435", "batch.held", "exceeded allowed job duration of 00:03; "),
        ("remove.log", 2, "dir_304", "batch.removed", "queue: via condor_rm (by user job); "),
        ("vacate.log", 3, "dir_343", "batch.evicted", "took the node away"),
        ("memory.log", 1, "dir_248", "limit.memory", "used 409.0 MiB of memory and was granted 128.0 MiB"),
    ],
)
def test_a_log_tells_what_ended_a_start(log, cluster, folder, failure, word):
    cause = cause_of(log, cluster, folder)
    assert cause.error.failure.name == failure
    assert word in cause.error.sentence
    assert cause.evidence[0].startswith("HTCondor's log: the job was ")


@pytest.mark.parametrize(
    ("log", "cluster", "folder", "word"),
    [
        ("kill.log", 3, "dir_259", "ended by signal 9"),
        ("vacate.log", 3, "dir_386", "ended with exit code 0"),
    ],
)
def test_an_end_that_was_not_the_batch_systems_is_evidence_alone(log, cluster, folder, word):
    cause = cause_of(log, cluster, folder)
    assert cause.error is None
    assert word in cause.evidence[0]


def test_a_start_is_known_by_its_folder_not_by_being_the_last():
    assert cause_of("vacate.log", 3, "dir_343").evidence == ("HTCondor's log: the job was evicted",)
    (told,) = cause_of("vacate.log", 3, "dir_999").evidence
    assert told.endswith("vacate.log does not tell of this start of the job")
    assert cause_of("vacate.log", 4, "dir_343").error is None


def test_where_the_log_has_no_folders_the_starts_are_counted(tmp_path):
    lines = (LOGS / "vacate.log").read_text().splitlines(keepends=True)
    (tmp_path / "log").write_text("".join(line for line in lines if "CondorScratchDir" not in line))
    first, second = (
        find_cause(a_lost_record(job=job_of(3, NumJobStarts=str(number))), str(tmp_path / "log"))
        for number in (0, 1)
    )
    assert first.error.failure.name == "batch.evicted"
    assert second.error is None and "exit code 0" in second.evidence[0]


def test_a_hold_of_the_job_long_after_its_eviction_is_not_why_it_was_evicted(tmp_path):
    text = (
        (LOGS / "hold.log")
        .read_text()
        .replace("012 (001.000.000) 2026-11-25 00:53", "012 (001.000.000) 2026-11-25 01:53")
    )
    (tmp_path / "log").write_text(text)
    record = a_lost_record(job=job_of(1, "dir_277"))
    assert find_cause(record, str(tmp_path / "log")).error.failure.name == "batch.evicted"


def test_dagmans_tries_of_a_node_are_told():
    assert cause_of("dag.log", 4, "dir_296").evidence == (
        "HTCondor's log: what it had started (jobwrap) ended with exit code 1",
        "this was try 2 of 3 that DAGMan made of the node A; after it came 5.0",
    )


@pytest.mark.parametrize(
    ("log", "cluster", "folder"),
    [("hold.log", 1, "dir_277"), ("hold.json", 1, "dir_255"), ("hold.xml", 4, "dir_385")],
)
def test_a_log_that_ends_anywhere_is_read_as_far_as_it_goes(tmp_path, log, cluster, folder):
    whole, record = (LOGS / log).read_bytes(), a_lost_record(job=job_of(cluster, folder))
    told = []
    for cut in (*range(0, len(whole), 31), len(whole)):
        (tmp_path / "log").write_bytes(whole[:cut])
        os.utime(tmp_path / "log", (0, 0))
        told.append(find_cause(record, str(tmp_path / "log")).runs)
    assert {*told} == {True, False} and not told[0] and not told[-1]


@pytest.fixture
def finish(tmp_path, capsys):
    """Runs `jobwrap record finish` on this record with these words; (exit code, its line, the record)."""

    def finish(record, *words):
        path = tmp_path / "record.json"
        path.write_text(json.dumps(record))
        code = cli.main(["record", "finish", *map(str, words), str(path)])
        record = json.loads(path.read_text())
        assert problems(record) == []
        return code, capsys.readouterr().out.rpartition(": ")[2].strip(), record

    return finish


def test_finish_names_the_cause_of_a_left_over_record(finish):
    log = LOGS / "hold.log"
    code, told, record = finish(a_lost_record(job=job_of(1, "dir_277", UserLog=str(log))))
    end = record["end"]
    assert (code, told, end["failure"], end["who"]) == (0, "finished", "batch.held", "user")
    assert end["evidence"][-2].startswith("jobwrap itself saw batch.lost: nothing was heard of the job after")
    assert end["evidence"][-1].startswith("HTCondor's log: the job was held: I want to look at it")


def test_finish_names_the_cause_of_a_job_that_was_terminated_once(finish):
    words = ("--log", LOGS / "remove.log")
    code, told, record = finish(a_record(TERMINATED, job=job_of(2, "dir_304")), *words)
    assert (code, told, record["end"]["failure"]) == (0, "finished", "batch.removed")
    assert (record["end"]["of"], record["end"]["code"]) == ("task", 143)
    assert finish(record, *words)[1:] == ("was finished already", record)


def test_finish_touches_no_other_end(finish):
    record = a_record(WELL, job=job_of(2, "dir_304"))
    assert finish(record, "--log", LOGS / "remove.log")[1:] == ("was finished already", record)


def test_a_job_that_still_runs_after_its_log_is_left_alone(finish, tmp_path):
    text = (LOGS / "hold.log").read_text()
    (tmp_path / "log").write_text(text[: text.index("004 (")])
    record = a_lost_record(job=job_of(1, "dir_277"))
    assert finish(record, "--log", tmp_path / "log") == (1, "its log does not tell the end yet", record)


def test_an_eviction_that_has_only_just_come_may_have_a_reason_that_is_still_to_come(finish, tmp_path):
    text = (LOGS / "hold.log").read_text()
    (tmp_path / "log").write_text(text[: text.index("012 (")])
    record = a_lost_record(job=job_of(1, "dir_277"))
    assert finish(record, "--log", tmp_path / "log")[:2] == (1, "its log does not tell the end yet")
    os.utime(tmp_path / "log", (0, 0))
    assert finish(record, "--log", tmp_path / "log")[2]["end"]["failure"] == "batch.evicted"


def test_a_log_that_is_not_there_is_told(tmp_path, capsys):
    (tmp_path / "record.json").write_text(json.dumps(a_lost_record()))
    code = cli.main(["record", "finish", "--log", str(tmp_path / "no.log"), str(tmp_path / "record.json")])
    assert (code, capsys.readouterr().err) == (73, f"jobwrap: {tmp_path}/no.log: No such file or directory\n")

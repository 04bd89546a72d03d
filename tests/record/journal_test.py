"""The record on disk: whole at any moment, and none overwrites another start's."""

import json

from jobwrap.record.journal import Journal

IDS = {"GlobalJobId": "schedd#1.0#1"}


def record(number, ids=IDS):
    return {"id": number, "job": {"ids": ids}}


def test_a_record_is_put_whole_into_its_place(tmp_path):
    target = tmp_path / "r.json"
    journal = Journal(str(target))
    journal.write(record(1))
    journal.write(record(2))
    assert json.loads(target.read_text())["id"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


def test_a_restart_of_the_same_job_keeps_the_earlier_record(tmp_path):
    target = tmp_path / "r.json"
    for number in range(3):
        journal = Journal(str(target))
        journal.keep_earlier(IDS)
        journal.write(record(number))
    assert {path.name: json.loads(path.read_text())["id"] for path in tmp_path.iterdir()} == {
        "r.1.json": 0,
        "r.2.json": 1,
        "r.json": 2,
    }


def test_another_jobs_record_is_replaced(tmp_path):
    target = tmp_path / "r.json"
    Journal(str(target)).write(record(1, {"GlobalJobId": "other"}))
    journal = Journal(str(target))
    journal.keep_earlier(IDS)
    journal.write(record(2))
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


def test_a_place_that_cannot_be_written_fails_nothing_and_the_record_goes_to_stderr(tmp_path, capsys):
    journal = Journal(str(tmp_path / "no/such/folder/r.json"))
    journal.write(record(1))
    journal.last_resort(record(1))
    assert json.loads(capsys.readouterr().err) == record(1)

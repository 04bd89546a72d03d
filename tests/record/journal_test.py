"""The record on disk: whole at any moment, none overwrites another start's, room for the last word."""

import json
import os

import pytest

from jobwrap.record.journal import Journal
from jobwrap.record.reserve import SIZE

IDS = {"GlobalJobId": "schedd#1.0#1"}


def record(number, ids=IDS, **more):
    return {"id": f"{number:032x}", "job": {"ids": ids}, **more}


def number_in(path):
    return int(json.loads(path.read_text())["id"], 16)


@pytest.fixture
def folder(tmp_path):
    """A control folder in the scratch folder tmp_path."""
    (tmp_path / ".jobwrap").mkdir()
    return tmp_path / ".jobwrap"


def journal_of(folder, target="r.json", ids=IDS):
    journal = Journal(str(folder.parent / target))
    journal.open(str(folder), ids)
    return journal


def test_a_record_is_put_whole_into_its_place_and_a_copy_where_the_task_cannot_see_it(folder):
    journal = journal_of(folder)
    journal.write(record(1))
    journal.write(record(2))
    assert number_in(folder / "record.json") == number_in(folder.parent / "r.json") == 2
    assert sorted(os.listdir(folder.parent)) == [".jobwrap", "r.json"]


def test_the_last_word_goes_to_the_target_and_leaves_nothing_beside_it(folder, tmp_path):
    journal = journal_of(folder)
    journal.finish(record(3))
    assert journal.delivered
    assert number_in(tmp_path / "r.json") == 3
    assert sorted(os.listdir(tmp_path)) == [".jobwrap", "r.json"]
    assert os.listdir(folder) == []


def test_a_restart_of_the_same_job_keeps_the_earlier_record(folder, tmp_path):
    for number in range(3):
        journal_of(folder).finish(record(number))
    found = {path.name: number_in(path) for path in tmp_path.glob("*.json")}
    assert found == {"r.1.json": 0, "r.2.json": 1, "r.json": 2}


def test_another_jobs_record_is_replaced(folder, tmp_path):
    journal_of(folder).finish(record(1, {"GlobalJobId": "other"}))
    journal_of(folder).finish(record(2))
    assert [path.name for path in tmp_path.glob("*.json")] == ["r.json"]


def test_one_that_did_not_get_the_folder_leaves_the_record_of_the_one_that_has_it(folder, tmp_path):
    journal_of(folder).write(record(1))
    refused = Journal(str(tmp_path / "r.json"))
    refused.write(record(2))
    refused.finish(record(2))
    assert number_in(tmp_path / "r.json") == 1
    assert number_in(tmp_path / "r.00000000.json") == 2


def test_a_place_that_cannot_be_written_fails_nothing_and_the_record_goes_to_stderr(tmp_path, capsys):
    journal = Journal(str(tmp_path / "no/such/folder/r.json"))
    journal.finish(record(1))
    assert json.loads(capsys.readouterr().err) == record(1)


def test_the_last_word_stays_in_the_control_folder_where_its_place_is_gone(folder, tmp_path, capsys):
    journal = journal_of(folder, "gone/r.json")
    journal.finish(record(4))
    assert not journal.delivered
    assert number_in(folder / "record.json") == 4
    assert json.loads(capsys.readouterr().err) == record(4)


@pytest.fixture
def full(monkeypatch):
    """Once it is set, a disk without room: no new file, no more blocks."""
    real, state = os.open, {"full": False}

    def open_(path, flags, *rest, **more):
        if state["full"] and flags & os.O_CREAT:
            raise OSError(28, "No space left on device", path)
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", open_)
    return state


def test_on_a_full_disk_the_phases_and_the_last_word_have_their_room(folder, tmp_path, full):
    journal = journal_of(folder)
    journal.write(record(1))
    full["full"] = True
    journal.write(record(2))
    assert number_in(folder / "record.json") == number_in(tmp_path / "r.json") == 2
    journal.write(record(3))
    journal.write(record(4))  # what is left is for the last word
    assert number_in(tmp_path / "r.json") == 2
    journal.finish(record(5))
    assert number_in(tmp_path / "r.json") == 5
    assert (tmp_path / "r.json").stat().st_size < 200


def test_what_does_not_fit_into_the_room_is_shortened_to_what_counts(folder, tmp_path, full):
    journal = journal_of(folder)
    full["full"] = True
    journal.finish(record(6, end={"code": 3}, transfers=["x" * SIZE]))
    assert json.loads((tmp_path / "r.json").read_text()) == record(6, end={"code": 3})


def test_words_that_are_no_text_are_still_json(folder, tmp_path):
    journal_of(folder).finish(record(7, word=os.fsdecode(b"caf\xe9 \xff")))
    assert json.loads((tmp_path / "r.json").read_bytes())["word"] == os.fsdecode(b"caf\xe9 \xff")

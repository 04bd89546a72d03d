"""The record of a job with thousands of files: told in full, and kept small while the task runs."""

import tracemalloc

import pytest

from jobwrap.job.spec import Input, Job
from jobwrap.plainjson import decode
from jobwrap.record.exitrecord import ExitRecord
from jobwrap.record.longlist import written
from jobwrap.record.redact import HIDDEN, Secrets

COUNTS = (3, 1000)


def a_job(count):
    places = (f"https://me:secret@data.example.org/{number}?sig=abc" for number in range(count))
    return Job(("true",), inputs=tuple(Input(f"x{number}", (each,)) for number, each in enumerate(places)))


def transfers(first, count):
    """Entries, and how they should stand in the record."""
    made = [{"name": f"x{each}", "source": f"s3://b/{each}?sig=abc"} for each in range(first, first + count)]
    return made, [
        {"name": each["name"], "source": each["source"].replace("sig=abc", HIDDEN)} for each in made
    ]


@pytest.mark.parametrize("cached", COUNTS)
@pytest.mark.parametrize("fetched", COUNTS)
def test_all_files_stand_in_it_in_their_order_and_without_secrets(cached, fetched):
    record = ExitRecord(a_job(fetched), Secrets())
    (first, clean_first), (second, clean_second) = transfers(0, cached), transfers(cached, fetched)
    record.extend("transfers", iter(first), len(first))
    record.extend("transfers", iter(second), len(second))
    record.note(plan=[f"input {number}: s3://b?sig=abc" for number in range(fetched)])
    while_it_runs = decode(written(record.fields))
    record.finish({"code": 0})
    for told in (while_it_runs, record.fields):
        assert told["transfers"] == clean_first + clean_second
        assert told["plan"] == [f"input {number}: s3://b?{HIDDEN}" for number in range(fetched)]
        places = [f"https://data.example.org/{number}" for number in range(fetched)]
        assert [each["places"] for each in told["job"]["inputs"]] == [[each] for each in places]
    assert type(record.fields["transfers"]) is type(record.fields["job"]["inputs"]) is list


def test_a_file_takes_little_memory_in_it():
    job, (made, _) = a_job(2000), transfers(0, 2000)
    tracemalloc.start()
    record = ExitRecord(job, Secrets())
    record.extend("transfers", made, len(made))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert record.fields and size < 2000 * 300  # as objects they took 1 kB

"""jobwrap record validate agrees with a whole implementation of JSON Schema."""

import copy
import random

import jsonschema
import pytest

from jobwrap.record.form import KEYWORDS, problems, schema
from tests.record.making import FAILED, a_lost_record, a_record


def keywords(rules):
    """Every keyword in a schema, but not the names of an object's members."""
    for keyword, rule in rules.items():
        yield keyword
        inner = (
            rule.values()
            if keyword in ("properties", "$defs")
            else rule
            if isinstance(rule, list)
            else [rule]
        )
        for each in inner:
            if isinstance(each, dict):
                yield from keywords(each)


def test_the_schema_is_one_and_uses_no_keyword_that_validate_does_not_know():
    jsonschema.Draft202012Validator.check_schema(schema())
    assert set(keywords(schema())) <= KEYWORDS


@pytest.mark.parametrize(
    "record", [a_record(), a_record(FAILED), a_record(image=None), a_lost_record("plan")]
)
def test_a_record_as_runs_write_it_is_valid(record):
    assert problems(record) == []


def damaged(record, chance):
    """The record with one member or item of any depth replaced, removed or added."""
    holders = [record]
    for each in holders:
        inner = each.values() if isinstance(each, dict) else each
        holders.extend(value for value in inner if isinstance(value, (dict, list)) and value)
    holder = chance.choice(holders)
    where = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    kind = chance.randrange(4)
    if kind == 0:
        del holder[where]
    elif kind == 1 and isinstance(holder, dict):
        holder["more"] = 1
    else:
        holder[where] = chance.choice(
            [None, -1, 3, 2.5, True, "", "x", [], {}, ["x"], {"x": 1}, "2026-01-01"]
        )
    return record


def test_of_600_damaged_records_exactly_those_are_refused_that_the_schema_refuses():
    chance, whole = random.Random(6), jsonschema.Draft202012Validator(schema())
    refused = 0
    for number in range(600):
        record = damaged(copy.deepcopy(a_record(FAILED) if number % 2 else a_record()), chance)
        assert bool(problems(record)) == (not whole.is_valid(record)), record
        refused += bool(problems(record))
    assert 100 < refused < 500


def test_a_problem_says_where_it_is():
    record = a_record(FAILED)
    record["end"]["who"] = "nobody"
    record["phases"][1]["started"] = "today"
    assert [problem.partition(":")[0] for problem in problems(record)] == [
        "record.phases[1].started",
        "record.end.who",
    ]

"""The one table of failures."""

from string import Formatter

import pytest

from jobwrap import failures
from jobwrap.failures import FAILURES, JobwrapError


def test_no_name_stands_twice_in_the_table():
    assert len(FAILURES) == len(failures._ROWS)


@pytest.mark.parametrize("failure", FAILURES.values(), ids=lambda failure: failure.name)
def test_a_row_says_who_acts_where_to_retry_and_one_sentence(failure):
    assert failure.who in {"user", "site", "data", "image", "batch", "jobwrap"}
    assert failure.advice in {"here", "elsewhere", "later", "never"}
    assert failure.code is None or 1 <= failure.code <= 127
    facts = {field: "x" for _, field, _, _ in Formatter().parse(failure.sentence) if field}
    facts["seconds"] = 1
    sentence = JobwrapError(failure.name, **facts).sentence
    assert "{" not in sentence and "\n" not in sentence
    assert not sentence.endswith(".")

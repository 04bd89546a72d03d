"""The one table of failures."""

from string import Formatter

import pytest

from jobwrap import explain, failures
from jobwrap.failures import FAILURES, JobwrapError
from tests.conftest import REPO


def test_no_name_stands_twice_in_the_table():
    assert len(FAILURES) == len(failures._ROWS)


@pytest.mark.parametrize("failure", FAILURES.values(), ids=lambda failure: failure.name)
def test_a_row_says_who_acts_where_to_retry_and_one_sentence(failure):
    assert failure.who in {"user", "site", "data", "image", "batch", "jobwrap"}
    assert failure.advice in {"here", "elsewhere", "later", "never"}
    assert failure.action in {"requeue", "hold", "leave"}
    assert failure.code is None or 1 <= failure.code <= 127
    facts = {field: "x" for _, field, _, _ in Formatter().parse(failure.sentence) if field}
    facts["seconds"] = 1
    sentence = JobwrapError(failure.name, **facts).sentence
    assert "{" not in sentence and "\n" not in sentence
    assert not sentence.endswith(".")


def test_the_documentation_has_the_table():
    assert (REPO / "docs/failures.md").read_text() == explain.markdown()


@pytest.mark.parametrize("name", ["task.not_found", "input"])
def test_a_failure_is_explained_by_its_name_and_by_a_prefix(name, capsys):
    assert explain.main([name]) == 0
    told = capsys.readouterr().out
    assert f"\n{name}" in f"\n{told}" and "who acts" in told


def test_what_only_a_change_can_cure_is_not_requeued():
    doomed = {failure.action for failure in FAILURES.values() if failure.advice == failures.NEVER}
    assert doomed == {"hold", "leave"}


def test_what_is_no_failure_is_refused(capsys):
    assert explain.main(["no.such"]) == 64
    assert "neither a failure's name nor an exit record" in capsys.readouterr().err

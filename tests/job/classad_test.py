"""The ClassAd parser: literals as values, all else as text."""

import pytest

from jobwrap.job.classad import Expression, parse_ad, parse_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"a = b # c"', "a = b # c"),
        (r'"say \"x\" \\ end"', 'say "x" \\ end'),
        ("-7", -7),
        ("1.5E+00", 1.5),
        ("1e3", 1000.0),
        ("TRUE", True),
        ("undefined", None),
        ('{ 1, "two", { } }', [1, "two", []]),
        ('[ A = 1; b = [ c = "d;e" ]; ]', {"a": 1, "b": {"c": "d;e"}}),
        ("error", Expression("error")),
        ("TARGET.Cpus > 1", Expression("TARGET.Cpus > 1")),
        ('"a" + "b"', Expression('"a" + "b"')),
        ('"never closed', Expression('"never closed')),
        ("", Expression("")),
    ],
)
def test_a_literal_is_a_value_and_all_else_is_text(text, value):
    assert parse_value(text) == value


def test_names_have_no_case_and_the_last_one_counts():
    assert parse_ad('# c\nCmd = "x"\n\nCMD = "y=z"\n') == {"cmd": "y=z"}


@pytest.mark.parametrize("text", ["{" * 100_000, "9" * 100_000, "[a=" * 50_000, "\0", '"\\'])
def test_a_hostile_value_stays_text(text):
    assert parse_value(text) == Expression(text)

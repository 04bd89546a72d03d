"""The ClassAd parser: literals as values, all else as text."""

import subprocess
from importlib import import_module

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


@pytest.mark.condor
def test_an_ad_of_the_real_schedd_reads_as_htcondors_own_parser_reads_it(tmp_path):
    submit = tmp_path / "submit"
    submit.write_text('executable = /bin/sleep\narguments = 1\n+X = "a = \\"b\\" # c"\nqueue\n')
    subprocess.run(["condor_submit", submit], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    text = subprocess.run(["condor_q", "-l"], check=True, capture_output=True, text=True).stdout
    text = text.strip().split("\n\n")[0]
    oracle = import_module("classad2").parseOne(text)
    ours = parse_ad(text)
    assert ours["x"] == 'a = "b" # c'
    assert set(ours) == {name.lower() for name in oracle}
    literals = {name: value for name, value in ours.items() if not isinstance(value, Expression)}
    assert len(literals) > 50
    known = {name: value for name, value in literals.items() if value is not None}
    assert known == {name: oracle.eval(name) for name in known}

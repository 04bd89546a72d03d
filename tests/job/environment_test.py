"""Environment and arguments of a job ad, with what a real starter gives a job as the oracle."""

import json
import subprocess
import sys

import pytest

from jobwrap.job.classad import parse_ad
from jobwrap.job.environment import arguments, environment, split_v2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" a \t b\n", ["a", "b"]),
        ("'a b' c", ["a b", "c"]),
        ("a'b c'd''e", ["ab cde"]),
        ("'it''s'", ["it's"]),
        ("'' ''''", ["", "'"]),
        ('say "x" \\n', ["say", '"x"', "\\n"]),
    ],
)
def test_blanks_part_words_and_single_quotes_group_them(text, words):
    assert split_v2(text) == words


@pytest.mark.parametrize("text", ["'", "a 'b", "'a''", "a'''", "'" * 100_001])
def test_a_quote_that_never_ends_is_an_error(text):
    with pytest.raises(ValueError, match="never ends"):
        split_v2(text)


def test_the_newer_form_counts_where_an_ad_has_both():
    ad = {"environment": "A='x y' B==", "env": "A=old", "arguments": "'1 2'", "args": "1 2"}
    assert environment(ad) == {"A": "x y", "B": "="}
    assert arguments(ad) == ("1 2",)


def test_the_older_form_knows_no_quotes():
    assert environment({"env": "A='x y';;B=2; C=3"}) == {"A": "'x y'", "B": "2", "C": "3"}
    assert environment({"env": "A=1;2|B=3", "envdelim": "|"}) == {"A": "1;2", "B": "3"}
    assert arguments({"args": " 'a  b' "}) == ("'a", "b'")


@pytest.mark.parametrize("ad", [{}, {"env": None, "args": 7}, {"environment": 3, "arguments": []}])
def test_an_ad_without_them_has_none(ad):
    assert (arguments(ad), environment(ad)) == ((), {})


def test_a_word_that_sets_nothing_is_an_error_that_does_not_show_it():
    with pytest.raises(ValueError, match=r"word 2 of the environment is no NAME=VALUE$"):
        environment({"environment": "A=1 hunter2"})


PROGRAM = f"""#!{sys.executable}
import json, os, sys
ad = open(os.environ["_CONDOR_JOB_AD"]).read()
json.dump([ad, sys.argv[1:], dict(os.environ)], open("seen", "w"))
"""


@pytest.mark.condor
@pytest.mark.parametrize(
    "submit",
    [
        """arguments = "a 'b c' 'it''s' ""q"" \\n 'x=y;z' '' #"
           environment = "A='b c' B=it''s C=""q"" D=x;y|z E= F=a=b\\n" """,
        """arguments = a 'b c' \\"q\\" #
           environment = A=b c;B='x';C=a=b""",
    ],
    ids=["V2", "V1"],
)
def test_the_ad_reads_as_the_job_of_a_real_starter_sees_it(tmp_path, submit):
    program = tmp_path / "program"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    lines = [f"executable = {program}", "should_transfer_files = yes", "log = log", submit, "queue"]
    (tmp_path / "submit").write_text("\n".join(lines) + "\n")
    subprocess.run(["condor_submit", "submit"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(
        ["condor_wait", "-wait", "120", "log"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL
    )
    text, argv, environ = json.loads((tmp_path / "seen").read_text())
    ad = parse_ad(text)
    assert list(arguments(ad)) == argv
    asked = environment(ad)
    assert set("ABC") <= set(asked)
    assert asked == {name: environ[name] for name in asked}

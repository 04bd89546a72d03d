"""No secret in anything that jobwrap says."""

import pytest

from jobwrap.job.spec import Input, Job
from jobwrap.record.redact import HIDDEN, Secrets, secrets_of

JOB = Job(("true",))


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("GET https://alice:pa55@host/x/y?sig=abc&n=1 failed", f"GET https://host/x/y?{HIDDEN} failed"),
        ("(https://host/x?sig=abc: refused)", f"(https://host/x?{HIDDEN}: refused)"),
        ("s3://bucket/key", "s3://bucket/key"),
        ("--password=hunter2 next", f"--password={HIDDEN} next"),
        ("psql --password hunter2 -x", f"psql --password {HIDDEN} -x"),
        ("curl --token-file t.txt", "curl --token-file t.txt"),
        ("AWS_SECRET_ACCESS_KEY: abc/def", f"AWS_SECRET_ACCESS_KEY: {HIDDEN}"),
        ("Authorization: Bearer abcdefgh.ijk", f"Authorization: Bearer {HIDDEN}"),
        ("it was eyJhbGciOiJIUzI1.eyJzdWIi.c2ln here", f"it was {HIDDEN} here"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\n", f"{HIDDEN}\n"),
        ("-----BEGIN PRIVATE KEY-----\nMII", HIDDEN),
        ("a monkey at 10:30, keyword=x", "a monkey at 10:30, keyword=x"),
        ("--max-tokens=512 --tokenizer=bpe", "--max-tokens=512 --tokenizer=bpe"),
        ("the tokenizer of /a/token/path", "the tokenizer of /a/token/path"),
    ],
)
def test_a_secret_is_known_by_its_form_and_by_the_name_before_it(said, left):
    assert Secrets().clean(said) == left


@pytest.mark.parametrize("name", ["BEARER_TOKEN", "MY_API_KEY", "DB_PASSWORD", "db-passwd", "aws_secret"])
def test_the_value_of_a_variable_with_such_a_name_is_known_wherever_it_stands(name):
    secrets = secrets_of({name: "Xy/9+z=="}, JOB)
    assert secrets.clean("server said: 'Xy/9+z==' is no key") == f"server said: '{HIDDEN}' is no key"


@pytest.mark.parametrize(
    ("name", "value"),
    [("BEARER_TOKEN_FILE", "nofile"), ("TOKEN", "/run/token"), ("SHELL", "/bin/bash"), ("TOKEN", "abc")],
)
def test_other_variables_paths_and_short_words_are_left(name, value):
    assert secrets_of({name: value}, JOB).clean(f"the value {value}") == f"the value {value}"


def test_the_tasks_own_variables_count_too():
    job = JOB._replace(env=(("PASSPHRASE", "open sesame"),))
    assert secrets_of({}, job).clean("open sesame!") == f"{HIDDEN}!"


def test_what_is_secret_in_a_url_is_known_outside_of_it():
    input_ = Input("x", ("https://bob:pa55word@host/x?X-Sig=0123abcd&v=1",))
    secrets = secrets_of({}, JOB._replace(inputs=(input_,)))
    assert secrets.clean("GET /x?X-Sig=0123abcd&v=1: no 0123abcd, pa55word") == (
        f"GET /x?{HIDDEN}: no {HIDDEN}, {HIDDEN}"
    )


def test_tokens_are_known_that_lie_where_the_environment_says(tmp_path):
    (tmp_path / "creds").mkdir()
    (tmp_path / "creds/scitokens.use").write_text("m4caroon-one\n")
    (tmp_path / "token").write_text("m4caroon-two\n")
    environ = {"_CONDOR_CREDS": str(tmp_path / "creds"), "BEARER_TOKEN_FILE": str(tmp_path / "token")}
    assert secrets_of(environ, JOB).clean("m4caroon-one m4caroon-two") == f"{HIDDEN} {HIDDEN}"


def test_a_folder_and_a_file_of_tokens_may_be_missing(tmp_path):
    environ = {"_CONDOR_CREDS": str(tmp_path / "none"), "BEARER_TOKEN_FILE": str(tmp_path / "none")}
    assert secrets_of(environ, JOB).clean("as it was") == "as it was"


def test_in_a_command_the_word_behind_the_option_is_hidden_and_nothing_else():
    command = ["run", "--token", "abc", "--n", "3", "--token-file", "t.txt", "https://u:p@h/"]
    assert Secrets().cleaned({"command": command, "n": [1, None]}) == {
        "command": ["run", "--token", HIDDEN, "--n", "3", "--token-file", "t.txt", "https://h/"],
        "n": [1, None],
    }

"""Layers of options over each other, and the site's policy over the result."""

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.job.merge import apply_policy, merge
from jobwrap.job.options import parse_keys, parse_words
from jobwrap.settings import Settings


def job_of(*layers, environ=None):
    return merge(list(layers), ("true",), {"_CONDOR_SCRATCH_DIR": "/scratch", **(environ or {})})


def flags(*words):
    return parse_words([*words, "--"])[0]


def test_a_word_on_the_command_line_beats_every_file():
    assert job_of(flags("--image", "a"), parse_keys({"image": "b"}), {"image": "c"}).image == "a"


def test_the_first_layer_that_says_something_counts():
    job = job_of({}, parse_keys({"cpus": 2}), {"cpus": 8, "memory": 5}, {"memory": 7, "image": "d"})
    assert (job.cpus, job.memory, job.image) == (2, 5, "d")


def test_variables_of_several_layers_come_together_by_name():
    job = job_of(flags("--env", "A=1"), parse_keys({"env": {"A": "2", "B": "3"}}))
    assert dict(job.env) == {"A": "1", "B": "3"}


def test_the_same_input_again_is_one_more_place():
    job = job_of(flags("--input", "n=http://a/1", "--input", "n=http://b/1"))
    assert job.inputs[0].places == ("http://a/1", "http://b/1")


def test_an_input_of_a_higher_layer_takes_the_place_of_a_lower_one():
    job = job_of(flags("--input", "n=http://a/1"), parse_keys({"input": ["n=http://b/1", "m=http://b/2"]}))
    assert [each.places for each in job.inputs] == [("http://a/1",), ("http://b/2",)]


def test_two_checksums_for_one_input_are_refused():
    with pytest.raises(JobwrapError, match="two different checksums"):
        job_of(flags("--input", "n=a#adler32:00000001", "--input", "n=b#adler32:00000002"))


def test_a_named_variable_gets_the_callers_value():
    assert job_of(flags("--env", "X"), environ={"X": "y\nz"}).env == (("X", "y\nz"),)
    with pytest.raises(JobwrapError, match="the caller has no such variable"):
        job_of(flags("--env", "X"))


@pytest.mark.parametrize(
    "words", [["--no-such"], ["x"], ["--image"], ["--here=1"], ["--cpus", "many"], ["-x"], ["--time="]]
)
def test_a_word_that_is_no_option_is_refused(words):
    with pytest.raises(ValueError, match=r"."):
        flags(*words)


@pytest.mark.parametrize(
    "keys", [{"imagee": "x"}, {"dry-run": True}, {"here": "yes"}, {"input": [1]}, {"cpus": []}]
)
def test_a_key_that_is_no_option_is_refused(keys):
    with pytest.raises(ValueError, match=r"."):
        parse_keys(keys)


def test_home_and_root_are_no_scratch_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(JobwrapError, match="not a folder to run jobs in"):
        merge([], ("true",), {})


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"here": False}, ["--here"]),
        ({"schemes": ("https",)}, ["--input", "http://h/f"]),
        ({"schemes": ("https",)}, ["--input", "f"]),
        ({"schemes": ("https",)}, ["--output", "f=file:///x"]),
        ({"schemes": ("https",)}, ["--output", "f=dune+http://h/x"]),
    ],
)
def test_what_the_site_forbids_is_refused_by_name(policy, words):
    with pytest.raises(JobwrapError) as raised:
        apply_policy(job_of(flags(*words)), Settings(**policy))
    assert raised.value.failure.name == "policy.forbidden"


def test_an_input_with_an_allowed_place_stays_and_its_paths_go_where_these_are_forbidden():
    places = ("/data/f", "http://h/f", "dune+https://h/f")
    words = flags(*(word for place in places for word in ("--input", f"f={place}")))
    job = apply_policy(job_of(words), Settings(schemes=("https",)))
    assert job.inputs[0].places == places[1:]
    assert apply_policy(job_of(words), Settings(schemes=("file",))).inputs[0].places == places


def test_the_sites_time_bounds_the_jobs():
    assert apply_policy(job_of(flags("--time", "2h")), Settings(time=3600.0)).time == 3600
    assert apply_policy(job_of(), Settings(time=3600.0)).time == 3600
    assert apply_policy(job_of(flags("--time", "60")), Settings(time=3600.0)).time == 60

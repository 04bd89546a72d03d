"""Inputs, outputs and binds as people write them, and what they mean."""

import pytest

from jobwrap.job import entries
from jobwrap.job.spec import Bind, Input, Output

HEX = "ab" * 32


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("http://h/d/f.root?a=b", Input("f.root", ("http://h/d/f.root?a=b",))),
        ("http://h/d/x:1", Input("x:1", ("http://h/d/x:1",))),
        ("//d/x", Input("x", ("//d/x",))),
        ("x/y=http://h/f", Input("x/y", ("http://h/f",))),
        (f"http://h/f#sha256:{HEX.upper()}", Input("f", ("http://h/f",), ("sha256", HEX))),
        ("http://h/f#part", Input("f", ("http://h/f#part",))),
        ("/cvmfs/r/a=b.csv", Input("a=b.csv", ("/cvmfs/r/a=b.csv",))),
        (".rc=/d/x", Input(".rc", ("/d/x",))),
        ("./a=b", Input("a=b", ("./a=b",))),
        ("n=data:,x#adler32:00ff00ff", Input("n", ("data:,x",), ("adler32", "00ff00ff"))),
        ({"name": "n", "places": ["a", "b"]}, Input("n", ("a", "b"))),
    ],
)
def test_an_input_has_a_name_places_and_a_checksum(word, meant):
    assert entries.input_(word) == meant


@pytest.mark.parametrize(
    "word",
    [
        "",
        "http://h/",
        "a=",
        ".jobwrap/x=/y",
        "f#sha256:00",
        "a\nb=/x",
        "n=/a\tb",
        {},
    ],
)
def test_an_input_that_cannot_be_is_refused(word):
    with pytest.raises(ValueError, match=r"must|needs"):
        entries.input_(word)


def test_an_output_stays_or_goes_to_a_url():
    assert entries.output("out/*.root") == Output("out/*.root")
    assert entries.output("a=http://h/b?c=d") == Output("a", "http://h/b?c=d")


@pytest.mark.parametrize("word", ["../a", "/etc/passwd", "a/../../b", ".", ".jobwrap/record.json", "a="])
def test_an_output_outside_scratch_is_refused(word):
    with pytest.raises(ValueError, match="must"):
        entries.output(word)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("/a", Bind("/a", "/a")),
        ("/a:/b", Bind("/a", "/b")),
        ("/a:rw", Bind("/a", "/a", True)),
        ("/a:/b:rw", Bind("/a", "/b", True)),
        ({"source": "/a:b", "writable": True}, Bind("/a:b", "/a:b", True)),
    ],
)
def test_a_bind_is_read_only_unless_it_says_otherwise(word, meant):
    assert entries.bind(word) == meant

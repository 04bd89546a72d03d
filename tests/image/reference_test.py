"""References as people write them."""

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.image.reference import parse_reference

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "tagged", "host"),
    [
        ("htc/debian:12", "htc/debian:12", ""),
        ("htc/debian", "htc/debian:latest", ""),
        ("debian:12", "library/debian:12", ""),
        ("docker://debian", "library/debian:latest", ""),
        ("docker://docker.io/library/debian:12", "library/debian:12", "docker.io"),
        ("hub.opensciencegrid.org/htc/rocky:9", "htc/rocky:9", "hub.opensciencegrid.org"),
        ("localhost/htc/rocky:9", "htc/rocky:9", "localhost"),
        ("docker://host:5000/a/b/c:1.2-x", "a/b/c:1.2-x", "host:5000"),
        (" htc/debian:12\n", "htc/debian:12", ""),
    ],
)
def test_a_name_is_read_as_docker_reads_it(text, tagged, host):
    found = parse_reference(text, "/here")
    assert (found.kind, found.tagged, found.host) == ("name", tagged, host)


def test_a_digest_is_kept_apart():
    found = parse_reference(f"ghcr.io/a/b@sha256:{DIGEST}", "/here")
    assert (found.name, found.digest) == ("a/b", DIGEST)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/cvmfs/x/htc/debian:12", "/cvmfs/x/htc/debian:12"),
        ("./folder", "/here/folder"),
        ("../image/", "/image"),
        (".", "/here"),
        ("image.sif", "/here/image.sif"),
        ("file:///a/b c.sif", "/a/b c.sif"),
        ("file://localhost/a.sif", "/a.sif"),
    ],
)
def test_a_path_is_taken_from_where_the_job_stands(text, path):
    found = parse_reference(text, "/here")
    assert (found.kind, found.path) == ("path", path)


@pytest.mark.parametrize(
    "text", ["oras://ghcr.io/a/b:1", "library://a/b/c:1", "osdf:///a/b.sif", "https://h/x.sif"]
)
def test_what_lies_elsewhere_is_remote(text):
    assert parse_reference(text, "/here").kind == "remote"


@pytest.mark.parametrize("text", ["", "a b", "x\0", "docker-daemon://x", "a/b:", "a//b", "a@sha256:1", "ü/x"])
def test_what_is_no_reference_is_refused_in_words(text):
    with pytest.raises(JobwrapError, match="cannot run here") as raised:
        parse_reference(text, "/here")
    assert raised.value.failure.name == "image.unsupported"

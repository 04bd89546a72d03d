"""URLs: taken apart and followed as urllib.parse does it, and cleaned of what is secret."""

from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwrap.letters import scheme_of
from jobwrap.transfer.url import below, follow, parse, redact
from tests.patient import patient


@pytest.mark.parametrize("text", [
    "http://host/path?a=b", "https://user:pw@host.example:8443/a/b;c?x=1&y", "http://[::1]:80/x", "http://h",
    "ftp://HOST/Path", "file:///etc/hosts", "root://server.example//store/file", "osdf:///ospool/x#fragment",
])  # fmt: skip
def test_parts_are_those_of_the_standard_library(text):
    ours, theirs = parse(text), urlsplit(text)
    assert (ours.scheme, ours.host, ours.port) == (theirs.scheme, theirs.hostname or "", theirs.port)
    assert (ours.path, ours.query) == (theirs.path, theirs.query)


@pytest.mark.parametrize("location", [
    "a/./b/../c", "..", "other", "../up", "../../../far", "./here", "/root", "//host2/x", "?q=1", "#f", "", "https://z/y",
])  # fmt: skip
def test_a_redirect_leads_where_the_standard_library_says(location):
    base = "http://host:81/a/b/c?d=e"
    assert str(follow(parse(base), location)) == urljoin(base, location).partition("#")[0]


@patient
@given(st.text("./ab?", max_size=12))
def test_a_relative_reference_is_followed_as_by_the_standard_library(reference):
    if "//" in reference:
        return  # it makes one slash of two, which RFC 3986 does not
    joined = urljoin("http://h/a/b", reference)
    assert str(follow(parse("http://h/a/b"), reference)).rstrip("?") == joined.rstrip("?")


@patient
@given(st.text())
def test_no_text_breaks_more_than_a_value_error(text):
    redact(text)
    scheme_of(text)
    try:
        parse(text)
    except ValueError:
        pass


def test_what_cannot_stand_in_a_request_is_encoded_and_what_is_encoded_stays():
    assert parse("http://h/a b/ü%20\r\n?q=<>").target == "/a%20b/%C3%BC%20%0D%0A?q=%3C%3E"


@pytest.mark.parametrize(("place", "shown"), [
    ("/a/path", "/a/path"),
    ("https://me:secret@h/x?sig=secret&versionId=3#secret", "https://h/x?sig=…&versionId=3"),
    ("s3://key@bucket/x?X-Amz-Signature=secret", "s3://bucket/x?X-Amz-Signature=…"),
    ("root://h//f?authz=secret", "root://h//f?authz=…"),
    ("http://h/x?token", "http://h/x?…"),
    ("data:,secret", "data:…(12 characters)"),
])  # fmt: skip
def test_a_record_shows_no_secret(place, shown):
    assert redact(place) == shown


@pytest.mark.parametrize(("place", "there"), [
    ("/data/", "/data/a b/50%#?"), ("s3://data/x", "s3://data/x/a b/50%#?"),
    ("https://host/x/?sig=1", "https://host/x/a b/50%25%23%3F?sig=1"),
    ("file:///x", "file:///x/a b/50%25%23%3F"), ("root://host//x", "root://host//x/a b/50%#%3F"),
])  # fmt: skip
def test_a_file_below_a_place_keeps_its_name_in_the_places_own_way(place, there):
    assert below(place, "a b/50%#?") == there

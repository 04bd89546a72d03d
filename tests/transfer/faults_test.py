"""Servers that misbehave: each ends as it should, within its deadline, and nothing partial is left."""

import os
import time

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.transfer.fetch import Wanted, fetch_all, probe_all
from tests.transfer.conftest import HASTY, SWIFT, misbehaving
from tests.transfer.fault_server import CONTENT, HALF, OTHER, SHA256

RIGHT = ("sha256", SHA256)


class Here:
    """A folder to fetch to."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def fetch(self, *places, checksum=None, options=SWIFT):
        (fetched,) = fetch_all([Wanted("x", places, checksum, str(self.folder / "x"))], options)
        return fetched

    def content(self):
        assert os.listdir(self.folder) == ["x"]
        return (self.folder / "x").read_bytes()


@pytest.fixture
def here(tmp_path):
    return Here(tmp_path / "here")


@pytest.mark.parametrize("way", ["ok", "until_close", "chunked", "digest/right"])
def test_a_server_that_behaves_is_believed(way, faults, here):
    fetched = here.fetch(f"{faults.url}/{way}")
    assert here.content() == CONTENT
    assert (fetched.attempts, fetched.checksum) == (1, RIGHT)


def test_what_broke_off_goes_on_where_it_ended(faults, here):
    assert here.fetch(f"{faults.url}/broken_off", checksum=RIGHT).attempts == 2
    assert here.content() == CONTENT
    headers = faults.asked()[1].headers
    assert (headers["range"], headers["if-range"]) == (f"bytes={HALF}-", '"one"')


def test_a_weak_etag_is_no_reason_to_go_on(faults, here):
    here.fetch(f"{faults.url}/weak", checksum=RIGHT)
    assert here.content() == CONTENT
    assert "range" not in faults.asked()[1].headers


@pytest.mark.parametrize("way", ["ignores_range", "wrong_range", "other_version", "no_such_range"])
def test_a_server_without_the_right_range_is_asked_for_all_of_it(way, faults, here):
    here.fetch(f"{faults.url}/{way}", checksum=RIGHT)
    assert here.content() == CONTENT
    asked = ["range" in asked.headers for asked in faults.asked()]
    assert asked == [False, True, False][: len(asked)]


def test_a_file_that_changes_in_between_comes_whole_and_new(faults, here):
    here.fetch(f"{faults.url}/changed")
    assert here.content() == OTHER


@pytest.mark.parametrize(
    ("way", "why"),
    [
        ("always_broken_off", f"it broke off {HALF} bytes before the end"),
        ("says_longer", "it broke off 1 bytes before the end"),
        ("chunk_cut", "it broke off between two chunks"),
        ("bad_length", "it declares a length that is none"),
        ("garbage", "it does not answer in HTTP"),
        ("endless_head", "the head of its answer does not end"),
        ("silent", "its answer took too long"),
        ("drip", "it stalled: 0.0 kB/s"),
        ("stall", "it stalled: 0.0 kB/s"),
    ],
)
def test_a_server_that_fails_again_and_again_is_unreachable(way, why, faults, here):
    started = time.monotonic()
    with pytest.raises(JobwrapError) as raised:
        here.fetch(f"{faults.url}/{way}", options=SWIFT._replace(attempts=2, **HASTY.get(way, {})))
    assert raised.value.failure.name == "input.unreachable"
    assert why in raised.value.sentence
    assert time.monotonic() - started < 60
    assert len(faults.asked()) == 2
    assert os.listdir(here.folder) == []


@pytest.mark.parametrize("way", ["drip", "stall", "silent"])
def test_the_next_place_is_tried_after_one_that_stalls(way, faults, here):
    options = SWIFT._replace(attempts=1, **HASTY[way])
    fetched = here.fetch(f"{faults.url}/{way}", f"{faults.url}/ok", options=options)
    assert here.content() == CONTENT
    assert fetched.source == f"{faults.url}/ok"


def test_a_transfer_that_is_slow_and_not_too_slow_comes(faults, here):
    # Its rate is looked at before its end, over a time that is longer than a machine's moment.
    options = SWIFT._replace(ramp_up=0.2, window=1.6, slowest=10_000)
    here.fetch(f"{faults.url}/slowly", options=options)
    assert here.content() == CONTENT


@pytest.mark.parametrize("way", ["says_shorter", "digest/wrong", "digest/old", "digest/adler"])
def test_what_is_not_what_was_promised_is_not_delivered(way, faults, here):
    checksum = RIGHT if way == "says_shorter" else None
    with pytest.raises(JobwrapError) as raised:
        here.fetch(f"{faults.url}/{way}", checksum=checksum)
    assert raised.value.failure.name == "input.checksum"
    assert os.listdir(here.folder) == []


def test_a_wrong_checksum_leads_to_the_next_place(faults, here):
    fetched = here.fetch(
        f"{faults.url}/changed", f"{faults.url}/says_shorter", f"{faults.url}/ok", checksum=RIGHT
    )
    assert here.content() == CONTENT
    assert len(fetched.skipped) == 2 and all("sha256" in why for _, why in fetched.skipped)


@pytest.mark.parametrize(
    ("status", "name", "times"),
    [
        (404, "not_found", 1),
        (410, "not_found", 1),
        (401, "denied", 1),
        (403, "denied", 1),
        (400, "unreachable", 1),
        (405, "unreachable", 1),
        (501, "unreachable", 1),
        (500, "unreachable", 3),
        (503, "unreachable", 3),
        (408, "unreachable", 3),
    ],
)
def test_only_what_may_change_is_tried_again(status, name, times, faults, here):
    with pytest.raises(JobwrapError, match=str(status)) as raised:
        here.fetch(f"{faults.url}/status/{status}")
    assert raised.value.failure.name == f"input.{name}"
    assert len(faults.asked()) == times


def test_503_twice_then_200_is_fetched(faults, here):
    assert here.fetch(f"{faults.url}/unavailable_twice").attempts == 3
    assert here.content() == CONTENT


def test_retry_after_is_honoured(faults, here):
    started = time.monotonic()
    here.fetch(f"{faults.url}/later/1")
    assert time.monotonic() - started >= 1


def test_retry_after_may_be_a_date(faults, here):
    started = time.monotonic()
    here.fetch(f"{faults.url}/later_date")
    assert time.monotonic() - started >= 0.9


def test_a_retry_after_longer_than_we_wait_leads_to_the_next_place(faults, here):
    fetched = here.fetch(f"{faults.url}/later/3600", f"{faults.url}/ok")
    assert fetched.skipped[0][1].startswith("it answers 429")


def test_the_time_for_a_file_ends_also_what_is_not_slow(faults, here):
    with pytest.raises(JobwrapError, match="its 1 s are over"):
        here.fetch(f"{faults.url}/drip", f"{faults.url}/drip", options=SWIFT._replace(deadline=1, ramp_up=99))
    assert os.listdir(here.folder) == []


def test_redirects_in_a_loop_end(faults, here):
    with pytest.raises(JobwrapError, match="redirects more than"):
        here.fetch(f"{faults.url}/loop")


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "//", "http://[::1"])
def test_a_redirect_to_anything_but_http_is_not_followed(location, faults, here):
    with pytest.raises(JobwrapError, match="redirects to"):
        here.fetch(f"{faults.url}/redirect?{location}")


def test_a_name_and_password_do_not_follow_a_redirect_to_another_host(faults, here, tmp_path):
    with misbehaving(tmp_path / "other", name="127.0.0.1") as other:
        place = faults.url.replace("//", "//me:secret@")
        fetched = here.fetch(f"{place}/redirect?{other.url}/ok")
        assert "authorization" in faults.asked()[0].headers
        assert "authorization" not in other.asked()[0].headers
    assert "secret" not in repr(fetched)


def test_gzip_that_nobody_asked_for_is_refused(faults, here):
    with pytest.raises(JobwrapError, match="gzip"):
        here.fetch(f"{faults.url}/gzipped")


def test_a_compressed_file_that_is_labelled_so_comes_as_it_is(faults, here):
    here.fetch(f"{faults.url}/gzipped/file.gz")
    assert here.content() == CONTENT


def test_refused_connections_and_unknown_hosts_are_named(here):
    with pytest.raises(JobwrapError, match="Connection refused"):
        here.fetch("http://127.0.0.1:9/x")


@pytest.mark.parametrize("place", ["http:///x", "http://[x/", "http://h:99999/", "http://a b/"])
def test_a_url_that_is_none_is_named(place, here):
    with pytest.raises(JobwrapError) as raised:
        here.fetch(place)
    assert raised.value.failure.name == "input.not_found"


def test_a_scheme_that_the_site_forbids_is_not_asked(faults, here):
    with pytest.raises(JobwrapError) as raised:
        here.fetch(f"{faults.url}/ok", options=SWIFT._replace(schemes=("https",)))
    assert raised.value.failure.name == "policy.forbidden"
    assert faults.asked() == []


def test_a_probe_reads_no_file_and_writes_none(faults, here):
    wanted = [Wanted("x", (f"{faults.url}/status/404", f"{faults.url}/stall"), None, str(here.folder / "x"))]
    probe_all(wanted, SWIFT)
    with pytest.raises(JobwrapError) as raised:
        probe_all([wanted[0]._replace(places=(f"{faults.url}/status/403",))], SWIFT)
    assert raised.value.failure.name == "input.denied"
    assert os.listdir(here.folder) == []


def test_the_first_that_fails_ends_the_others(faults, tmp_path):
    wanted = [Wanted("slow", (f"{faults.url}/drip",), None, str(tmp_path / "slow"))]
    wanted.append(Wanted("none", (f"{faults.url}/status/404",), None, str(tmp_path / "none")))
    started = time.monotonic()
    with pytest.raises(JobwrapError, match="input none"):
        fetch_all(wanted, SWIFT._replace(ramp_up=600, deadline=600))
    assert time.monotonic() - started < 60
    assert os.listdir(tmp_path) == []


def test_secrets_of_a_url_are_in_no_record_and_no_sentence(faults, here):
    with pytest.raises(JobwrapError) as raised:
        here.fetch(f"{faults.url}/status/404?X-Amz-Signature=secret&versionId=7")
    assert "secret" not in raised.value.sentence and "versionId=7" in raised.value.sentence

"""Delivering: to paths and to HTTP servers, also those that misbehave."""

import os
import urllib.request
import zlib
from functools import partial

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.transfer.deliver import Delivering, Parcel, deliver
from jobwrap.transfer.fetch import Cancelled
from jobwrap.transfer.source import Source
from tests.servers import serving
from tests.transfer.conftest import HASTY, SWIFT
from tests.transfer.fault_server import CONTENT, SHA256


@pytest.fixture
def output(tmp_path):
    path = tmp_path / "output"
    path.write_bytes(CONTENT)
    return path


def stored(faults, name):
    with urllib.request.urlopen(f"{faults.url}/{name}") as answer:
        return answer.read()


@pytest.mark.parametrize("url", ["{}/to/new/file", "file://{}/to/new/file", "file://localhost{}/to/new/file"])
def test_a_path_gets_the_whole_file_and_nothing_else(url, output, tmp_path):
    delivered = deliver(str(output), url.format(tmp_path), SWIFT)
    assert (tmp_path / "to/new/file").read_bytes() == CONTENT
    assert os.listdir(tmp_path / "to/new") == ["file"]
    assert (delivered.bytes, delivered.checksum) == (len(CONTENT), ("sha256", SHA256))


def test_an_open_file_can_be_delivered(output, tmp_path):
    with open(output, "rb") as file:
        deliver(f"/proc/self/fd/{file.fileno()}", f"{tmp_path}/copy", SWIFT)
    assert (tmp_path / "copy").read_bytes() == CONTENT


def test_what_cannot_be_written_is_named_and_leaves_nothing(output, tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(JobwrapError, match="there is a folder of that name") as raised:
        deliver(str(output), f"{tmp_path}/folder", SWIFT)
    assert raised.value.failure.name == "output.undelivered"
    assert sorted(os.listdir(tmp_path)) == ["folder", "output"]


def test_a_scheme_that_the_site_forbids_is_refused(output, faults):
    with pytest.raises(JobwrapError) as raised:
        deliver(str(output), f"{faults.url}/put/x", SWIFT._replace(schemes=("file",)))
    assert raised.value.failure.name == "policy.forbidden"
    assert faults.asked() == []


@pytest.mark.parametrize("way", ["put", "put_lost_reply", "put_once", "put_unavailable"])
def test_the_file_is_there_in_the_end(way, output, faults):
    deliver(str(output), f"{faults.url}/{way}/file", SWIFT)
    assert stored(faults, f"{way}/file") == CONTENT


def test_a_put_is_sent_with_its_digest(output, faults):
    deliver(str(output), f"{faults.url}/put/file", SWIFT)
    (put,) = (asked for asked in faults.asked() if asked.method == "PUT")
    assert put.headers["repr-digest"].startswith("sha-256=:")


def test_a_server_with_webdav_gets_another_name_first(output, faults):
    deliver(str(output), f"{faults.url}/put/dav/file", SWIFT)
    assert [asked.method for asked in faults.asked()] == ["OPTIONS", "PUT", "HEAD", "MOVE"]
    assert not faults.asked()[1].target.endswith("/file")
    assert stored(faults, "put/dav/file") == CONTENT


def test_a_signed_url_is_used_as_it_is(output, faults):
    deliver(str(output), f"{faults.url}/put/dav/file?X-Amz-Signature=abc", SWIFT)
    assert [asked.method for asked in faults.asked()] == ["PUT", "HEAD"]


def test_a_server_that_keeps_half_is_found_out(output, faults):
    with pytest.raises(
        JobwrapError, match=f"it has {len(CONTENT) // 2} bytes of it instead of {len(CONTENT)}"
    ):
        deliver(str(output), f"{faults.url}/put_wrong/file", SWIFT)


def test_a_refusal_is_told_and_the_body_is_not_sent_to_it(tmp_path, faults):
    big = tmp_path / "big"
    big.write_bytes(bytes(3 << 20))
    with pytest.raises(JobwrapError, match="403"):
        deliver(str(big), f"{faults.url}/put_refused/file", SWIFT)
    (put,) = (asked for asked in faults.asked() if asked.method == "PUT")
    assert put.headers["expect"] == "100-continue"


def test_a_redirect_is_followed_with_the_body(tmp_path, faults):
    big = tmp_path / "big"
    big.write_bytes(CONTENT * 3)
    deliver(str(big), f"{faults.url}/put_elsewhere/file", SWIFT._replace(attempts=1))
    assert stored(faults, "put/redirected") == CONTENT * 3


def test_a_silent_server_ends_in_time(output, faults):
    with pytest.raises(JobwrapError, match="too long"):
        deliver(str(output), f"{faults.url}/silent", SWIFT._replace(attempts=1, **HASTY["silent"]))


def test_a_delivery_to_a_path_that_is_cancelled_leaves_nothing(tmp_path):
    with open(tmp_path / "output", "wb") as file:
        file.truncate(3 << 30)
    (tmp_path / "to").mkdir()
    seen = []

    def cancelled():
        seen.extend(os.listdir(tmp_path / "to"))
        return bool(seen)

    try:
        deliver(str(tmp_path / "output"), f"{tmp_path}/to/x", SWIFT, cancelled=cancelled)
    except Cancelled:
        assert os.listdir(tmp_path / "to") == [] and seen[0].startswith(".jobwrap-")


def test_a_file_url_of_another_host_is_refused(output):
    with pytest.raises(JobwrapError, match="cannot name another host"):
        deliver(str(output), "file://elsewhere/x", SWIFT)


def test_a_delivery_can_be_cancelled(output, faults):
    with pytest.raises(Cancelled):
        deliver(str(output), f"{faults.url}/silent", SWIFT, cancelled=lambda: True)


@pytest.mark.node
def test_nginx_with_webdav_has_the_file_under_its_name_only(output, tmp_path):
    with serving(tmp_path / "dav", dav=True) as server:
        deliver(str(output), f"{server.url}/new folder/file", SWIFT)
        assert os.listdir(server.root) == ["new folder"]
        assert (server.root / "new folder/file").read_bytes() == CONTENT
        assert os.listdir(server.root / "new folder") == ["file"]


@pytest.mark.node
def test_nginx_without_webdav_says_that_it_takes_nothing(output, tmp_path):
    with serving(tmp_path / "plain") as server, pytest.raises(JobwrapError, match="405"):
        deliver(str(output), f"{server.url}/file", SWIFT)


def test_many_are_delivered_at_once_and_told_in_their_order(tmp_path, faults):
    parcels = []
    for index in range(20):
        (tmp_path / str(index)).write_bytes(bytes([index]) * (index + 1))
        opened = partial(os.open, tmp_path / str(index), os.O_RDONLY)
        parcels.append(Parcel(str(index), opened, f"{faults.url}/put/{index}"))
    delivered = Delivering(parcels, SWIFT).wait()
    assert [one.bytes for one in delivered] == list(range(1, 21))
    assert stored(faults, "put/19") == bytes([19]) * 20


def test_the_first_that_fails_is_named_and_all_others_are_delivered(output, faults):
    opened = partial(os.open, output, os.O_RDONLY)
    ways = ["put_refused/a", "put/b", "put_refused/c", "put/d"]
    parcels = [Parcel(way, opened, f"{faults.url}/{way}") for way in ways]
    work = Delivering(parcels, SWIFT._replace(parallel=1))
    with pytest.raises(JobwrapError, match="the output put_refused/a"):
        work.wait()
    assert sorted(work.delivered) == [1, 3]
    assert stored(faults, "put/b") == stored(faults, "put/d") == CONTENT


def test_what_cannot_be_opened_when_its_turn_comes_ends_all_with_its_own_failure(output, faults):
    def swapped():
        raise JobwrapError("output.refused", name="out", problem="it was another file when its turn came")

    with pytest.raises(JobwrapError, match="another file") as raised:
        Delivering([Parcel("out", swapped, f"{faults.url}/put/x")], SWIFT).wait()
    assert raised.value.failure.name == "output.refused"
    assert faults.asked() == []


def test_a_file_that_is_opened_for_each_try_leaves_no_descriptor(output, faults, tmp_path):
    """Of the many that are on their way no more are open than are being sent."""
    seen = tmp_path / "seen"

    def opened():
        with open(seen, "a") as file:
            file.write(f"{len(os.listdir('/proc/self/fd'))}\n")
        return os.open(output, os.O_RDONLY)

    parcels = [Parcel(str(index), opened, f"{faults.url}/put/{index}") for index in range(40)]
    Delivering(parcels, SWIFT._replace(parallel=2)).wait()
    counts = list(map(int, seen.read_text().split()))
    assert len(counts) == 40 and max(counts) < counts[0] + 8


def test_a_source_is_read_once_for_all_that_is_asked_of_it(output, monkeypatch):
    reads = []
    real = os.preadv
    monkeypatch.setattr(os, "preadv", lambda *args: reads.append(args[2]) or real(*args))
    with Source(partial(os.open, output, os.O_RDONLY), "", None, ("sha256",)) as source:
        assert source.digest("adler32") == f"{zlib.adler32(CONTENT):08x}"
        assert source.digest("sha256") == SHA256
    assert reads.count(0) == 1

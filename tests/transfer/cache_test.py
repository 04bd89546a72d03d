"""The node's cache: one download for all, safe against death, corruption and eviction of what is in use."""

import hashlib
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.transfer.cache import SEAL, Cache, open_caches
from jobwrap.transfer.cachecare import entries, is_right, make_room, sweep
from jobwrap.transfer.fetch import Fetching, Wanted, fetch_all, find_cached
from tests.transfer.conftest import HASTY, SWIFT
from tests.transfer.fault_server import CONTENT, SHA256

RIGHT = ("sha256", SHA256)
REPO = Path(__file__).parents[2]


@pytest.fixture
def cache(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    return Cache(str(folder), ours=True)


def put(cache, content):
    """An object with this content; its digest."""
    claim = cache.claim("key")
    os.write(claim.file, content)
    held = claim.keep(hashlib.sha256(content).hexdigest())
    os.close(held.file)
    return held.digest


def fetch(faults, cache, way, tmp_path, checksum=RIGHT, shared=False, **more):
    options = SWIFT._replace(cache=cache.folder, **more)
    wanted = Wanted("x", (f"{faults.url}/{way}",), checksum, str(tmp_path / "x"), shared=shared)
    return fetch_all([wanted], options)[0]


def test_the_second_of_two_asks_no_server(faults, cache, tmp_path):
    assert fetch(faults, cache, "ok", tmp_path).cache == "miss"
    os.unlink(tmp_path / "x")
    fetched = fetch(faults, cache, "ok", tmp_path)
    assert (fetched.cache, fetched.attempts) == ("hit", 0)
    assert len(faults.asked()) == 1
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_each_job_gets_a_file_of_its_own(faults, cache, tmp_path):
    fetch(faults, cache, "ok", tmp_path)
    (tmp_path / "x").write_bytes(b"changed by a task")
    assert is_right(cache, SHA256)
    assert not os.stat(cache.path_of(SHA256)).st_mode & 0o222


def test_who_binds_it_gets_the_object_itself_and_holds_it(faults, cache, tmp_path):
    fetched = fetch(faults, cache, "ok", tmp_path, shared=True)
    assert fetched.path == cache.path_of(SHA256)
    assert not (tmp_path / "x").exists()
    assert not cache.remove(SHA256)


def test_an_archive_is_kept_as_it_came_and_unpacked_for_each(faults, cache, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("name", b"content")
    content = (tmp_path / "a.zip").read_bytes()
    put(cache, content)
    checksum = ("sha256", hashlib.sha256(content).hexdigest())
    options = SWIFT._replace(cache=cache.folder)
    for name in ("one", "two"):
        wanted = Wanted("x", (f"{faults.url}/status/404",), checksum, str(tmp_path / name), unpack=True)
        assert fetch_all([wanted], options)[0].cache == "hit"
        assert (tmp_path / name / "name").read_bytes() == b"content"
    assert faults.asked() == []


def test_without_a_checksum_the_server_is_asked_whether_it_is_the_same(faults, cache, tmp_path):
    assert fetch(faults, cache, "versioned", tmp_path, None).cache == "miss"
    assert fetch(faults, cache, "versioned", tmp_path, None).cache == "hit"
    assert faults.asked()[1].headers["if-none-match"] == '"one"'


def test_without_a_checksum_and_an_etag_it_comes_anew(faults, cache, tmp_path):
    fetch(faults, cache, "ok", tmp_path, None)
    assert fetch(faults, cache, "ok", tmp_path, None).cache == "miss"
    assert len(faults.asked()) == 2


def test_a_wrong_file_never_becomes_an_object(faults, cache, tmp_path):
    with pytest.raises(Exception, match="sha256"):
        fetch(faults, cache, "ok", tmp_path, ("sha256", "00" * 32))
    assert entries(cache) == [] and os.listdir(f"{cache.folder}/incoming") == []


def test_an_object_that_was_written_to_is_thrown_away(faults, cache, tmp_path):
    fetch(faults, cache, "ok", tmp_path)
    path = cache.path_of(SHA256)
    os.chmod(path, 0o644)
    with open(path, "r+b") as file:
        file.write(b"x")
    os.chmod(path, 0o444)
    assert fetch(faults, cache, "ok", tmp_path).cache == "miss"
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_rot_that_left_the_time_stamp_alone_is_found_by_reading(cache):
    digest = put(cache, b"good")
    path = cache.path_of(digest)
    os.chmod(path, 0o644)
    Path(path).write_bytes(b"evil")
    os.utime(path, (time.time(), SEAL))
    os.chmod(path, 0o444)
    assert not is_right(cache, digest)


def test_the_least_recently_used_goes_first_and_what_is_in_use_stays(tmp_path):
    cache = Cache(str(tmp_path), ours=True, quota=100)
    digests = [put(cache, bytes([one]) * 30) for one in range(3)]
    for age, digest in enumerate(digests):
        os.utime(cache.path_of(digest), (1000 + age, SEAL))
    held = cache.find(digests[1])
    os.utime(cache.path_of(digests[1]), (1000, SEAL))
    assert make_room(cache, 60)
    assert [one.digest for one in entries(cache)] == [digests[1]]
    assert not make_room(cache, 90)
    os.close(held.file)
    assert make_room(cache, 90)
    assert not make_room(cache, 101)


@pytest.mark.node  # root may open it
def test_a_file_that_is_just_put_in_place_is_waited_for_and_one_that_a_dead_slot_left_is_not(cache):
    claim = cache.claim("key")
    os.fchmod(claim.file, 0o444)
    assert cache.claim("key") is None
    os.close(claim.file)
    assert cache.claim("key") is not None


def test_what_dead_slots_left_goes_first_and_what_is_on_its_way_takes_room(tmp_path):
    cache = Cache(str(tmp_path), ours=True, quota=100)
    digest = put(cache, bytes(30))
    live, dead = cache.claim("live"), cache.claim("dead")
    os.write(live.file, bytes(40))
    os.write(dead.file, bytes(30))
    os.close(dead.file)
    assert make_room(cache, 30)
    assert os.listdir(f"{cache.folder}/incoming") == ["live"]
    assert [one.digest for one in entries(cache)] == [digest]
    assert not make_room(cache, 70)
    live.drop()


def test_a_file_that_does_not_fit_comes_past_the_cache(faults, cache, tmp_path):
    options = SWIFT._replace(cache=cache.folder, cache_quota=1000)
    (fetched,) = fetch_all([Wanted("x", (f"{faults.url}/ok",), RIGHT, str(tmp_path / "x"))], options)
    assert (fetched.cache, (tmp_path / "x").read_bytes()) == ("", CONTENT)
    assert os.listdir(f"{cache.folder}/incoming") == []


def test_a_slot_that_stands_still_with_its_claim_is_passed_by(faults, cache, tmp_path):
    claim = cache.claim(SHA256)
    fetched = fetch(faults, cache, "ok", tmp_path, **HASTY["stall"])
    assert (fetched.cache, (tmp_path / "x").read_bytes()) == ("", CONTENT)
    claim.drop()


def test_a_slot_that_has_all_of_it_and_waits_for_its_disk_is_waited_for(faults, cache, tmp_path):
    claim = cache.claim(SHA256)
    os.write(claim.file, CONTENT)
    os.fchmod(claim.file, 0o444)
    wanted = Wanted("x", (f"{faults.url}/ok",), RIGHT, str(tmp_path / "x"))
    options = SWIFT._replace(cache=cache.folder, ramp_up=1.0, window=1.0)
    fetching, seen = Fetching([wanted], options), []
    fetching.progress = seen.append
    end = time.monotonic() + 1.5 * (options.ramp_up + options.window)
    while time.monotonic() < end:
        assert fetching.read(0.1) is None
    claim.keep(SHA256)
    (fetched,) = fetching.wait()
    assert (fetched.cache, faults.asked()) == ("hit", [])
    assert seen[0].bytes == len(CONTENT)


def test_what_dead_slots_left_is_swept(cache):
    claim = cache.claim("held")
    os.close(cache.claim("dead").file)
    assert sweep(cache) == 1
    assert os.listdir(f"{cache.folder}/incoming") == ["held"]
    claim.drop()


def test_a_cache_that_others_can_write_to_is_not_used(tmp_path):
    tmp_path.chmod(0o770)
    caches = open_caches(str(tmp_path), None, ())
    assert [cache.folder for cache in caches] == [f"{tmp_path}/u{os.getuid()}"]
    assert os.stat(caches[0].folder).st_mode & 0o777 == 0o700
    os.chmod(caches[0].folder, 0o777)
    assert open_caches(str(tmp_path), None, ()) == []


FETCH = """
import sys
from jobwrap.transfer.fetch import Wanted, fetch_all
from jobwrap.transfer.options import Options
url, digest, target, cache = sys.argv[1:]
print(fetch_all([Wanted("x", (url,), ("sha256", digest), target)], Options(cache=cache))[0].cache)
"""


def start(url, digest, target, cache):
    words = [sys.executable, "-c", FETCH, url, digest, str(target), cache.folder]
    return subprocess.Popen(words, cwd=REPO, stdout=subprocess.PIPE, text=True)


def test_eight_at_once_make_one_download(faults, cache, tmp_path):
    slots = [start(f"{faults.url}/slowly", SHA256, tmp_path / str(one), cache) for one in range(8)]
    said = sorted(slot.communicate(timeout=60)[0].strip() for slot in slots)
    assert said == ["hit"] * 7 + ["miss"]
    assert len(faults.asked()) == 1
    assert all((tmp_path / str(one)).read_bytes() == CONTENT for one in range(8))


def test_when_the_one_that_downloads_is_killed_another_takes_over(faults, cache, tmp_path):
    first = start(f"{faults.url}/slowly", SHA256, tmp_path / "first", cache)
    while not cache.arrived(SHA256)[0]:
        time.sleep(0.01)
    second = start(f"{faults.url}/slowly", SHA256, tmp_path / "second", cache)
    time.sleep(0.5)
    first.send_signal(signal.SIGKILL)
    assert second.communicate(timeout=60)[0].strip() == "miss"
    first.communicate()
    assert (tmp_path / "second").read_bytes() == CONTENT
    assert len(faults.asked()) == 2
    assert is_right(cache, SHA256)


def test_what_is_cached_is_found_without_reading_or_asking(faults, cache, tmp_path):
    options = SWIFT._replace(cache=cache.folder)
    assert find_cached(SHA256, options) is None
    fetch(faults, cache, "ok", tmp_path)
    assert find_cached(SHA256, options) == (cache.path_of(SHA256), len(CONTENT))
    assert not cache.remove(SHA256)


def test_another_users_cache_gives_what_it_has_and_is_not_filled(faults, cache, tmp_path, monkeypatch):
    put(cache, CONTENT)
    monkeypatch.setattr("jobwrap.transfer.inbound.open_caches", lambda *_: [Cache(cache.folder, ours=False)])
    assert fetch(faults, cache, "ok", tmp_path).cache == "hit"
    assert fetch(faults, cache, "digest/right", tmp_path, None).cache == ""
    assert len(entries(cache)) == 1 and os.listdir(f"{cache.folder}/incoming") == []


def test_a_copy_out_of_the_cache_needs_room_like_any_file(faults, cache, tmp_path):
    put(cache, CONTENT)
    wanted = Wanted("x", (f"{faults.url}/ok",), RIGHT, str(tmp_path / "x"))
    with pytest.raises(JobwrapError) as raised:
        fetch_all([wanted], SWIFT._replace(cache=cache.folder, room=1000))
    assert raised.value.failure.name == "input.no_space"
    assert not (tmp_path / "x").exists()

"""jobwrap cache, as a person calls it."""

import json
import os

import pytest

from jobwrap.transfer.cache import Cache
from jobwrap.transfer.cachecare import entries
from jobwrap.transfer.verb import main
from tests.transfer.cache_test import put


@pytest.fixture
def cache(tmp_path):
    tmp_path.chmod(0o700)
    return Cache(str(tmp_path), ours=True)


def test_list_shows_what_is_there_and_in_use(cache, capsys):
    digests = {put(cache, b"one"), put(cache, b"two")}
    held = cache.find(min(digests))
    assert main(["list", "--json", "--cache", cache.folder]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {one["digest"]: one["in_use"] for one in told} == {min(digests): True, max(digests): False}
    os.close(held.file)
    assert main(["list", "--cache", cache.folder]) == 0
    assert "2 files, 6 bytes" in capsys.readouterr().out


def test_check_throws_away_what_is_not_right(cache, capsys):
    good, bad = put(cache, b"good"), put(cache, b"bad")
    path = cache.path_of(bad)
    seen = os.stat(path)
    os.chmod(path, 0o600)
    with open(path, "wb") as file:
        file.write(b"rot")
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    os.chmod(path, 0o444)
    assert main(["check", "--cache", cache.folder]) == 1
    assert path in capsys.readouterr().out
    assert [one.digest for one in entries(cache)] == [good]
    assert main(["check", "--cache", cache.folder]) == 0


def test_prune_keeps_what_is_asked_for_and_what_is_in_use(cache, capsys):
    digests = [put(cache, bytes([one]) * 1024) for one in range(4)]
    held = cache.find(digests[0])
    os.close(cache.claim("dead").file)
    assert main(["prune", "--to", "2K", "--cache", cache.folder]) == 0
    kept = [one.digest for one in entries(cache)]
    os.close(held.file)
    assert len(kept) == 2 and digests[0] in kept
    assert "2 files removed, and 1 that were never finished" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["eat"], ["list", "--fast"], ["list"], ["prune", "--to", "much"]])
def test_a_call_that_makes_no_sense_is_refused(words, capsys):
    assert main(words) == 64
    assert capsys.readouterr().err.startswith("jobwrap: ")

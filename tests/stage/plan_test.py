"""Where each input will come from."""

import os
import time

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Input, Job
from jobwrap.settings import Settings
from jobwrap.stage import cached
from jobwrap.stage.plan import plan_staging
from jobwrap.transfer.cache import Cache
from tests.transfer.cache_test import put

URL = "https://data.example/file"


@pytest.fixture
def cache(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    return Cache(str(folder), ours=True)


def plan(*inputs, cache=None, here=False, deadline=60.0):
    settings = Settings(cache=cache.folder if cache else "", deadline=deadline)
    return plan_staging(Job(("x",), inputs=inputs, scratch="/scratch", here=here), "/cvmfs", settings, {})


def test_what_the_cache_has_is_bound_and_held_while_we_live(cache):
    digest = put(cache, b"content")
    staging = plan(Input("data", ("/none/file", URL), ("sha256", digest)), cache=cache)
    (found,) = staging.cached
    assert (found.path, found.bytes, found.cache, found.source) == (cache.path_of(digest), 7, "hit", URL)
    assert found.skipped == (("/none/file", "is not there"),)
    assert (staging.wanted, staging.sharing) == ((), False)
    assert not cache.remove(digest)


def test_a_path_of_the_node_goes_before_the_cache(cache, tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    digest = put(cache, b"content")
    staging = plan(Input("data", (URL, str(tmp_path / "file")), ("sha256", digest)), cache=cache)
    assert staging.cached == () and staging.bound[0].source == str(tmp_path / "file")


@pytest.mark.parametrize(("more", "sharing"), [
    ({}, True),
    ({"checksum": None}, True),
    ({"checksum": ("md5", "0" * 32)}, False),
    ({"unpack": True}, False),
])  # fmt: skip
def test_what_will_come_by_the_cache_is_waited_for_with_the_launch(more, sharing, cache):
    input_ = Input("data", (URL,), ("sha256", "0" * 64))._replace(**more)
    assert plan(input_, cache=cache).sharing is sharing
    assert plan(input_).sharing is False


def test_nothing_is_waited_for_where_no_cache_could_be_filled(tmp_path):
    settings = Settings(cache=str(tmp_path / "none"))
    job = Job(("x",), inputs=(Input("data", (URL,)),), scratch="/scratch")
    assert not plan_staging(job, "/cvmfs", settings, {}).sharing


def test_a_file_url_means_a_path_of_this_node_only(tmp_path):
    (tmp_path / "a b").write_text("content")
    for place in (f"file://{tmp_path}/a%20b", f"file://localhost{tmp_path}/a%20b", f"file:{tmp_path}/a%20b"):
        assert plan(Input("data", (place,))).bound[0].source == f"{tmp_path}/a b"
    with pytest.raises(JobwrapError, match="is not there"):
        plan(Input("data", (f"file://other.example{tmp_path}/a%20b",)))


def test_a_task_without_a_container_gets_no_file_that_others_read(cache):
    digest = put(cache, b"content")
    staging = plan(Input("data", (URL,), ("sha256", digest)), cache=cache, here=True)
    assert (staging.cached, staging.sharing, len(staging.wanted)) == ((), False, 1)


def test_a_cache_that_hangs_is_not_used(cache, monkeypatch):
    monkeypatch.setattr(cached, "_there", lambda *_: time.sleep(60))
    staging = plan(Input("data", (URL,), None), cache=cache, deadline=0.2)
    assert "did not answer" in staging.no_cache and staging.no_cache in staging.reasons
    assert not staging.sharing and len(staging.wanted) == 1


def test_a_place_that_hangs_is_left_for_the_next_one(monkeypatch):
    exists = os.path.exists
    monkeypatch.setattr(
        "os.path.exists", lambda path: time.sleep(60) if path == "/dead/file" else exists(path)
    )
    monkeypatch.setattr("os.stat", lambda path, **_: time.sleep(60))
    staging = plan(Input("data", ("/dead/file", URL)), deadline=0.3)
    assert staging.wanted[0].places == (URL,)
    assert staging.skipped["data"] == (("/dead/file", "did not answer"),)
    with pytest.raises(JobwrapError) as raised:
        plan(Input("data", ("/dead/file",)), deadline=0.3)
    assert raised.value.failure.name == "site.cvmfs_hung"

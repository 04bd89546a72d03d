"""jobwrap stage, as a person or a script calls it."""

import hashlib
import json
import os
import signal
import tarfile
import time

import pytest

from jobwrap.failures import FAILURES
from tests.transfer.conftest import misbehaving
from tests.transfer.fault_server import CONTENT, SHA256


@pytest.fixture
def server(tmp_path):
    with misbehaving(tmp_path / "faults", name="127.0.0.1") as one:
        yield one


def said(ran):
    """The JSON object, and the name of the failure in it."""
    told = json.loads(ran.stdout)
    assert ran.code == told["end"]["code"]
    return told, told["end"]["failure"]


def test_inputs_are_fetched_and_checked_and_those_of_the_node_become_links(jobwrap, server, tmp_path):
    (tmp_path / "local").write_text("here already")
    words = (f"data={server.url}/ok#sha256:{SHA256}", f"sub/local={tmp_path}/local")
    told, failure = said(jobwrap.run("stage", "in", "--json", *words))
    assert failure is None
    assert (jobwrap.scratch / "data").read_bytes() == CONTENT
    assert os.readlink(jobwrap.scratch / "sub/local") == f"{tmp_path}/local"
    (transfer,) = told["transfers"]
    assert (transfer["name"], transfer["bytes"], transfer["attempts"]) == ("data", len(CONTENT), 1)
    assert transfer["checksum"] == ["sha256", SHA256]
    assert told["linked"] == [{"name": "sub/local", "source": f"{tmp_path}/local"}]


def test_a_second_call_brings_them_anew(jobwrap, server, tmp_path):
    (tmp_path / "local").write_text("here already")
    words = ("stage", "in", f"data={server.url}/ok", f"local={tmp_path}/local")
    for _ in range(2):
        ran = jobwrap.run(*words)
        assert ran.code == 0
        assert f"data: {len(CONTENT)} bytes from {server.url}/ok in " in ran.stdout
        assert f"local: a link to {tmp_path}/local\n" in ran.stdout
    assert sorted(os.listdir(jobwrap.scratch)) == ["data", "local"]


def test_the_next_place_of_a_name_is_tried_and_the_first_ones_failure_told(jobwrap, server):
    words = (f"data={server.url}/status/404", f"data={server.url}/ok")
    told, _ = said(jobwrap.run("stage", "in", "--json", *words))
    assert told["transfers"][0]["skipped"] == [[f"{server.url}/status/404", "it answers 404 As Asked"]]


def test_an_archive_is_unpacked_into_another_folder(jobwrap, tmp_path):
    (tmp_path / "member").write_text("content")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "member", "member")
    (tmp_path / "there").mkdir()
    words = ("--unpack", "a", f"--scratch={tmp_path}/there", f"a={tmp_path}/a.tar.gz")
    assert jobwrap.run("stage", "in", *words).code == 0
    assert (tmp_path / "there/a/member").read_text() == "content"


@pytest.mark.parametrize(("word", "failure"), [
    ("data={url}/status/404", "input.not_found"),
    ("data={url}/ok#sha256:" + "0" * 64, "input.checksum"),
    ("data=/no/such/file", "input.not_found"),
    ("data=gopher://localhost/x", "input.scheme"),
])  # fmt: skip
def test_a_failure_has_its_own_code_and_leaves_nothing_partial(word, failure, jobwrap, server):
    ran = jobwrap.run("stage", "in", "--json", word.format(url=server.url))
    told, name = said(ran)
    assert (name, ran.code) == (failure, FAILURES[failure].code)
    assert ran.stderr == f"jobwrap: {told['end']['sentence']}\n"
    assert os.listdir(jobwrap.scratch) == []


def test_what_came_before_a_failure_is_told(jobwrap, server):
    words = (f"good={server.url}/ok", f"bad={server.url}/later/2", f"bad={server.url}/status/404")
    (jobwrap.scratch / "bad").mkdir()  # nothing can take its place
    told, name = said(jobwrap.run("stage", "in", "--json", *words))
    assert name == "site.scratch"
    assert [each["name"] for each in told["transfers"]] == ["good"]


def test_too_little_room_is_named(jobwrap, server):
    told, name = said(jobwrap.run("stage", "in", "--json", "--disk", "1K", f"data={server.url}/ok"))
    assert name == "input.no_space" and told["transfers"] == []


def test_a_dry_run_asks_and_transfers_nothing(jobwrap, server, tmp_path):
    ran = jobwrap.run("stage", "in", "--dry-run", f"data={server.url}/ok", f"local={tmp_path}")
    assert (ran.code, os.listdir(jobwrap.scratch)) == (0, [])
    assert f"input local: {tmp_path} is bound" in ran.stdout
    ran = jobwrap.run("stage", "in", "--dry-run", f"data={server.url}/status/404")
    assert (ran.code, os.listdir(jobwrap.scratch)) == (66, [])
    (jobwrap.scratch / "out").write_text("content")
    assert jobwrap.run("stage", "out", "--dry-run", f"out={tmp_path}/there").code == 0
    assert not (tmp_path / "there").exists()


def test_a_signal_ends_it_and_leaves_nothing(jobwrap, server):
    started = jobwrap.start("stage", "in", "--json", f"data={server.url}/drip")
    while not os.listdir(jobwrap.scratch):
        time.sleep(0.02)
    started.send_signal(signal.SIGTERM)
    ran = jobwrap.end(started)
    assert (said(ran)[1], ran.code) == ("batch.terminated", 128 + signal.SIGTERM)
    assert os.listdir(jobwrap.scratch) == []


def test_outputs_are_delivered_as_after_a_task(jobwrap, tmp_path):
    (jobwrap.scratch / "out").mkdir()
    for name in ("a.txt", "b.txt", "c.log"):
        (jobwrap.scratch / "out" / name).write_text(name)
    told, failure = said(jobwrap.run("stage", "out", "--json", f"out/*.txt={tmp_path}/there/"))
    assert failure is None
    assert sorted(os.listdir(tmp_path / "there")) == ["a.txt", "b.txt"]
    assert [each["name"] for each in told["outputs"]] == ["out/a.txt", "out/b.txt"]
    digest = hashlib.sha256(b"a.txt").hexdigest()
    assert told["outputs"][0]["checksum"] == ["sha256", digest]


@pytest.mark.parametrize(("word", "failure"), [("none=/x", "output.missing"), ("link=/x", "output.refused")])
def test_an_output_that_is_none_is_named(word, failure, jobwrap):
    (jobwrap.scratch / "link").symlink_to("/etc/passwd")
    assert said(jobwrap.run("stage", "out", "--json", word))[1] == failure


@pytest.mark.parametrize("words", [
    ["stage", "across", "x"], ["stage", "in"], ["stage", "in", "--fast", "x=/y"], ["stage", "out", "x"],
    ["stage", "in", "-v", "x=/y"], ["stage", "in", "x=/y", "--scratch"],
])  # fmt: skip
def test_a_call_that_makes_no_sense_is_refused(words, jobwrap):
    ran = jobwrap.run(*words)
    assert (ran.code, ran.stdout) == (64, "") and ran.stderr.startswith("jobwrap: ")


def test_what_the_site_forbids_is_not_done(jobwrap, server, tmp_path):
    (tmp_path / "site.toml").write_text('[policy]\nschemes = ["https"]\n')
    ran = jobwrap.run("stage", "--site", tmp_path / "site.toml", "in", f"data={server.url}/ok")
    assert (ran.code, server.asked()) == (77, [])


def test_by_the_sites_cache_it_comes_once_and_each_gets_a_copy(jobwrap, server, tmp_path):
    (tmp_path / "cache").mkdir(mode=0o700)
    (tmp_path / "site.toml").write_text(f'[node]\ncache = "{tmp_path}/cache"\n')
    for name, came_by in (("one", "miss"), ("two", "hit")):
        (tmp_path / name).mkdir()
        words = (f"data={server.url}/ok#sha256:{SHA256}", "--json", "--scratch", tmp_path / name)
        told, _ = said(jobwrap.run("stage", "--site", tmp_path / "site.toml", "in", *words))
        assert told["transfers"][0]["cache"] == came_by
        (tmp_path / name / "data").write_text("changed")
    assert len(server.asked()) == 1


def test_a_token_in_a_url_is_not_told(jobwrap, server):
    ran = jobwrap.run("stage", "in", "--json", f"data={server.url}/ok?token=s3cret-value")
    assert ran.code == 0 and "s3cret" not in ran.stdout + ran.stderr

"""Outputs on their way to real servers, and the outputs of real runs."""

import hashlib
import os
import subprocess
import sys
import time

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Output
from jobwrap.stage.outputs import StageOut
from jobwrap.transfer import schemes
from jobwrap.transfer.fetch import Wanted, fetch_all
from jobwrap.transfer.options import Options
from tests.losing import losing
from tests.run_test import DEBIAN
from tests.servers import serving

CONTENT = os.urandom(3 << 20)
DIGEST = ["sha256", hashlib.sha256(CONTENT).hexdigest()]
SWIFT = Options(pause=0.02, answer=20)


@pytest.fixture
def scratch(tmp_path):
    folder = tmp_path / "scratch"
    (folder / "out/deep").mkdir(parents=True)
    for name in ("one", "out/two", "out/deep/a b%#"):
        (folder / name).write_bytes(CONTENT)
    return folder


def deliver(scratch, *outputs):
    leaving = StageOut(tuple(Output(*each) for each in outputs), str(scratch))
    leaving.deliver(SWIFT)
    return leaving.delivered


@pytest.fixture
def dav(tmp_path):
    with serving(tmp_path / "dav", dav=True) as server:
        yield server


# --- real servers ---


@pytest.mark.node
def test_one_folder_goes_to_five_kinds_of_servers_at_once(scratch, tmp_path, dav, xrootd, s3, monkeypatch):
    """HTCondor's own plugin for dav:, the others by jobwrap; all of what each has is right."""
    monkeypatch.setitem(schemes.SCHEMES, "dav", "plugin")
    plugged = dav.url.replace("http", "dav") + "/plugged"
    (dav.root / "plugged").mkdir(mode=0o777)
    places = [f"file://{tmp_path}/kept", f"{dav.url}/kept", "s3://data/kept", f"{xrootd[0]}//kept", plugged]
    asked = [("out", place) for place in places[:-1]] + [("one", f"{plugged}/one")]
    delivered = deliver(scratch, *asked)
    assert len(delivered) == 9 and {each.checksum for each in delivered} == {tuple(DIGEST)}
    for root in (tmp_path, dav.root, xrootd[1]):
        assert (root / "kept/two").read_bytes() == CONTENT
        assert (root / "kept/deep/a b%#").read_bytes() == CONTENT
        assert sorted(os.listdir(root / "kept")) == ["deep", "two"]
    assert (dav.root / "plugged/one").read_bytes() == CONTENT
    fetch_all([Wanted("x", ("s3://data/kept/deep/a b%#",), ("sha256", DIGEST[1]), f"{tmp_path}/x")])


@pytest.mark.node
@pytest.mark.parametrize("method", ["PUT", "MOVE"])
def test_a_reply_that_nginx_gave_and_that_got_lost_is_no_failure(scratch, dav, method):
    port = int(dav.url.rpartition(":")[2])
    with losing(method, port) as lossy:
        deliver(scratch, ("one", f"http://127.0.0.1:{lossy}/kept/one"))
    assert (dav.root / "kept/one").read_bytes() == CONTENT
    assert os.listdir(dav.root / "kept") == ["one"]


@pytest.mark.node
def test_a_reply_that_s3_gave_and_that_got_lost_is_no_failure(scratch, s3, tmp_path, monkeypatch):
    with losing("PUT", int(s3.rpartition(":")[2])) as lossy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{lossy}")
        (told,) = deliver(scratch, ("one", "s3://data/one"))
        fetch_all([Wanted("x", ("s3://data/one",), ("sha256", DIGEST[1]), f"{tmp_path}/x")])
    assert told.attempts == 2


@pytest.mark.node
def test_a_server_is_asked_once_for_a_folder_what_it_can_do(tmp_path, dav):
    (tmp_path / "scratch").mkdir()
    for number in range(100):
        (tmp_path / "scratch" / str(number)).write_bytes(b"%d" % number)
    leaving = StageOut((Output("*", f"{dav.url}/kept"),), str(tmp_path / "scratch"))
    leaving.deliver(SWIFT)
    assert sorted(os.listdir(dav.root / "kept"), key=int) == list(map(str, range(100)))
    asked = [each.method for each in dav.requests()]
    assert asked.count("OPTIONS") <= SWIFT.parallel
    assert len({each.connection for each in dav.requests()}) <= SWIFT.parallel


@pytest.mark.node
def test_what_can_be_delivered_is_and_is_told_though_another_failed(scratch, dav, tmp_path):
    outputs = (Output("out/two", f"{dav.url}/no/such\0name"), Output("one", f"{tmp_path}/kept"))
    leaving = StageOut(outputs, str(scratch))
    with pytest.raises(JobwrapError) as raised:
        leaving.deliver(SWIFT._replace(parallel=1))
    assert raised.value.failure.name == "output.undelivered"
    assert [each.name for each in leaving.delivered] == ["one"]
    assert (tmp_path / "kept").read_bytes() == CONTENT


# --- a folder that is swapped again and again ---


RACE = """
import os, random, sys, time
out, was, secret = sys.argv[1:]
while True:
    os.rename(out, was)
    os.symlink(secret, out)
    os.unlink(out)
    os.rename(was, out)
    time.sleep(random.random() / 500)
"""


def test_a_race_of_renames_never_leads_a_delivery_out_of_scratch(scratch, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "two").write_text("secret")
    names = (scratch / "out", scratch / "was", secret)
    ends = set()
    with subprocess.Popen([sys.executable, "-c", RACE, *map(str, names)]) as racing:
        try:
            number, given_up = 0, time.monotonic() + 60
            # More than a hundred where the machine holds the racer up while the folder is away.
            while number < 100 or ("delivered" not in ends and time.monotonic() < given_up):
                number += 1
                try:
                    deliver(scratch, ("out/two", f"{tmp_path}/kept/{number}"))
                    ends.add("delivered")
                except JobwrapError as error:
                    ends.add(error.failure.name)
        finally:
            racing.kill()
    assert "delivered" in ends and ends <= {"delivered", "output.refused", "output.missing"}
    assert {path.read_bytes() for path in (tmp_path / "kept").iterdir()} == {CONTENT}


# --- real runs ---


@pytest.mark.node
@pytest.mark.parametrize(
    ("when", "code", "delivered"),
    [
        ("success", 0, True),
        ("success", 3, False),
        ("failure", 0, False),
        ("failure", 3, True),
        ("always", 0, True),
        ("always", 3, True),
    ],
)
def test_outputs_are_delivered_when_the_job_says(jobwrap, tmp_path, when, code, delivered):
    words = ("--output-on", when, "--output", f"log={tmp_path}/kept")
    ran = jobwrap.run(*DEBIAN, *words, "--", "sh", "-c", f"echo x > log; exit {code}")
    assert ran.code == code
    assert (tmp_path / "kept").exists() is delivered
    assert [each["name"] for each in ran.record.get("outputs", ())] == ["log"] * delivered


@pytest.mark.node
def test_outputs_after_the_time_limit_are_those_of_a_failure(jobwrap, tmp_path):
    words = ("--output-on", "failure", "--time", "3", "--grace", "1", "--output", f"log={tmp_path}/kept")
    ran = jobwrap.run(*DEBIAN, *words, "--", "sh", "-c", "echo x > log; sleep 60")
    assert ran.record["end"]["failure"] == "limit.time"
    assert (tmp_path / "kept").read_text() == "x\n"


@pytest.mark.node
def test_after_a_failed_task_a_missing_output_is_evidence_and_not_the_failure(jobwrap):
    ran = jobwrap.run(
        *DEBIAN, "--output-on", "always", "--output", "none", "--", "sh", "-c", "echo x > a; exit 3"
    )
    assert (ran.code, ran.record["end"]["failure"]) == (3, "task.failed")
    assert any("none; there is: a" in each for each in ran.record["end"]["evidence"])


@pytest.mark.node
@pytest.mark.parametrize("runtime", ["apptainer", "bwrap"])
def test_a_file_that_was_bound_in_is_never_delivered(jobwrap, tmp_path, runtime):
    """On this side of the container there is nothing but its mount point, and that is jobwrap's own."""
    (tmp_path / "token").write_text("secret")
    words = ("--runtime", runtime, "--bind", f"{tmp_path}/token:/srv/token")
    shell = ("--", "sh", "-c", "grep -q secret token && echo x > result; ln token linked; true")
    ran = jobwrap.run(*DEBIAN, *words, "--output", f"*={tmp_path}/kept", *shell)
    assert (ran.code, os.listdir(tmp_path / "kept")) == (0, ["result"])
    for child in jobwrap.scratch.iterdir():
        child.unlink()
    ran = jobwrap.run(*DEBIAN, *words, "--output", f"token={tmp_path}/leaked", *shell)
    assert ran.record["end"]["failure"] == "output.missing"
    assert not (tmp_path / "leaked").exists()


@pytest.mark.node
@pytest.mark.parametrize(
    "make", ["ln -s $TOKEN out", "mkfifo out", "mkdir d && ln -s ../../creds d/t && ln -s d/t/token out"]
)
def test_what_leads_out_of_scratch_is_refused_before_anything_leaves(jobwrap, tmp_path, make):
    (tmp_path / "creds").mkdir()
    (tmp_path / "creds/token").write_text("secret")
    make = make.replace("$TOKEN", f"{tmp_path}/creds/token")
    words = ("--output", f"good={tmp_path}/good", "--output", f"out={tmp_path}/leaked")
    ran = jobwrap.run(*DEBIAN, *words, "--", "sh", "-c", f"echo x > good; {make}")
    assert (ran.code, ran.record["end"]["failure"], ran.record["outputs"]) == (77, "output.refused", [])
    assert "out was not delivered" in ran.record["end"]["sentence"]
    assert not (tmp_path / "leaked").exists() and not (tmp_path / "good").exists()


@pytest.mark.node
def test_a_runs_record_tells_of_each_file_that_left_and_that_stayed(jobwrap, tmp_path, dav):
    words = ("--output", f"far={dav.url}/kept/", "--output", f"near={tmp_path}/kept", "--output", "here")
    make = "for name in far near here; do echo x > $name; done"
    ran = jobwrap.run(*DEBIAN, *words, "--", "sh", "-c", make)
    digest = ["sha256", hashlib.sha256(b"x\n").hexdigest()]
    told = {each["name"]: each for each in ran.record["outputs"]}
    assert [each["checksum"] for each in told.values()] == [digest] * 3
    assert [each["url"] for each in told.values()] == [f"{dav.url}/kept/far", f"{tmp_path}/kept", ""]
    assert told["far"]["attempts"] == 1 and told["far"]["seconds"] > 0
    shown = subprocess.run(
        [*jobwrap.program, "record", "show", str(jobwrap.scratch)], capture_output=True, text=True, check=True
    ).stdout
    assert f"sha256 {digest[1][:12]}…" in shown and "in the scratch folder" in shown


@pytest.mark.node
def test_a_name_that_is_no_text_is_delivered_and_told(jobwrap, tmp_path, dav):
    words = ("--output", f"out={tmp_path}/kept", "--output", f"*/?.x={dav.url}/kept")
    ran = jobwrap.run(
        *DEBIAN, *words, "-v", "--", "sh", "-c", "mkdir out && echo x > out/$(printf '\\377').x"
    )
    assert (ran.code, ran.record["end"]["failure"]) == (0, None)
    assert os.listdir(os.fsencode(tmp_path / "kept")) == [b"\xff.x"]
    assert os.listdir(os.fsencode(dav.root / "kept/out")) == [b"\xff.x"]
    assert [each["name"] for each in ran.record["outputs"]] == ["out/\udcff.x"] * 2

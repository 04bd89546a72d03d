"""What a task of a real pool finds in its environment, and of its credentials."""

import hashlib
import json
import subprocess

import pytest

from tests.condor_test import SIMPLE, record_of, submit, submit_side, wait_for  # noqa: F401
from tests.record.cause_pool_test import shared  # noqa: F401
from tests.run_test import wait_for as wait_until

pytestmark = pytest.mark.condor
ENVIRONMENT = (
    "A=1 B='x  y' C='$(DOLLAR)(id) it''s \"\"=' D=ad P=$$(CondorScratchDir)/d HOME=/ APPTAINER_BIND=/"
)
JOB = f'environment = "{ENVIRONMENT}"' + SIMPLE.format(
    arguments="--image htc/debian:12 --env D=flag -- env -0"
)


def test_the_submit_files_environment_is_the_tasks(submit_side):  # noqa: F811
    submit(submit_side, JOB)
    wait_for(submit_side)
    seen = dict(each.split("=", 1) for each in (submit_side / "job.out").read_text().split("\0") if each)
    wanted = {"A": "1", "B": "x  y", "C": "$(id) it's \"=", "D": "flag", "P": "/srv/d", "HOME": "/srv"}
    assert {name: seen.get(name) for name in wanted} == wanted
    assert seen["_CONDOR_SCRATCH_DIR"] == "/srv"
    dropped = record_of(submit_side / "jobwrap-record.json")["container"]["environment_dropped"]
    assert {each["name"] for each in dropped} >= {"APPTAINER_BIND", "HOME"}


PROXY_JOB = """
transfer_input_files = job.sh
x509userproxy = proxy.pem
transfer_output_files = kept
""" + SIMPLE.format(
    arguments="--record {record} --image htc/debian:12 --credential x509 --output '*.*=kept/' -- sh job.sh"
)
# The task's part: says where its proxy is, waits until another is there, and tries to change it.
PROXY_TASK = """
echo $X509_USER_PROXY
sum() { sha256sum < $X509_USER_PROXY; }
first=$(sum); echo $first > first.txt
n=0; while [ "$(sum)" = "$first" ] && [ $n -lt 600 ]; do sleep 0.1; n=$((n+1)); done
echo $(sum)
echo x >> $X509_USER_PROXY || echo refused
"""


def make_proxy(folder, name):
    """A certificate with its key, which is all that HTCondor looks at."""
    words = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=job/CN=123")
    files = ("-keyout", folder / "key.pem", "-out", folder / "cert.pem")
    subprocess.run(["openssl", *words, *files], check=True, capture_output=True)
    content = (folder / "cert.pem").read_bytes() + (folder / "key.pem").read_bytes()
    (folder / f"{name}.new").write_bytes(content)
    (folder / f"{name}.new").chmod(0o600)
    (folder / f"{name}.new").rename(folder / name)
    return hashlib.sha256(content).hexdigest()


def test_a_proxy_that_is_renewed_on_the_submit_side_is_new_inside_and_no_output(submit_side, shared):  # noqa: F811
    make_proxy(submit_side, "proxy.pem")
    (submit_side / "job.sh").write_text(PROXY_TASK)
    record = shared / "record.json"
    submit(submit_side, PROXY_JOB.format(record=record))
    # Of what is in use there is nothing on record before the task has run for a second.
    wait_until(lambda: record.exists() and "usage" in json.loads(record.read_text()), 300)
    renewed = make_proxy(submit_side, "proxy.pem")
    wait_for(submit_side)
    said = (submit_side / "job.out").read_text().split()
    assert (said[0], said[1], said[-1]) == ("/srv/.jobwrap/x509", renewed, "refused")
    kept = {path.name for path in (submit_side / "kept").iterdir()}
    assert "first.txt" in kept
    assert not kept & {"proxy.pem", "x509"}
    first = (submit_side / "kept/first.txt").read_text().split()[0]
    assert first != renewed

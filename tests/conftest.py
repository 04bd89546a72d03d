"""What tests of several rooms share."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import jsonschema
import pytest

from tests import seen
from tests.produced import PRODUCED
from tests.servers import free_port, running, serving

REPO = Path(__file__).parents[1]
TREE = "/cvmfs/singularity.opensciencegrid.org"


seen.watch()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """No test of tests/produced.py may have vanished under another name."""
    there = {item.nodeid for item in items}
    files = {test.partition("::")[0] for test in there}
    gone = [test for test in PRODUCED.values() if test.partition("::")[0] in files and test not in there]
    if gone and not any("::" in word for word in config.args):
        raise pytest.UsageError(f"tests/produced.py names tests that are not there: {gone}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """A test of tests/produced.py fails if the failure did not come up in it."""
    seen.SEEN.clear()
    result = yield
    missing = {name for name, test in PRODUCED.items() if test == item.nodeid} - seen.SEEN
    assert not missing, f"{missing} did not come up in this test, as tests/produced.py says"
    return result


class Ran(NamedTuple):
    """One run of jobwrap: its exit code, its streams, its exit record (None where there is none)."""

    code: int
    stdout: str
    stderr: str
    record: dict | None


class Jobwrap:
    """Runs jobwrap from the source tree in a scratch folder of its own, with a small environment."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.program = [sys.executable, str(REPO / "bin/jobwrap")]
        self.environment = {"PATH": os.environ["PATH"], "HOME": "/home/job", "LANG": "C.UTF-8"}

    def start(self, *words, **kwargs) -> subprocess.Popen:
        environment = {**self.environment, **kwargs.pop("environ", {})}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        words = [*self.program, *map(str, words)]
        return subprocess.Popen(words, cwd=self.scratch, env=environment, **{**pipes, **kwargs})

    def end(self, process: subprocess.Popen) -> Ran:
        stdout, stderr = (text.decode(errors="replace") for text in process.communicate(timeout=120))
        seen.words(stderr)
        return Ran(process.returncode, stdout, stderr, self.record())

    def run(self, *words, **kwargs) -> Ran:
        return self.end(self.start(*words, **kwargs))

    def record(self) -> dict | None:
        """The exit record, which must have the form of the schema."""
        path = self.scratch / "jobwrap-record.json"
        if not path.exists():
            return None
        record = json.loads(path.read_text())
        jsonschema.validate(record, json.loads((REPO / "jobwrap/record/schema.json").read_text()))
        return seen.record(record)


@pytest.fixture
def jobwrap(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Jobwrap(scratch)


@pytest.fixture
def nginx(tmp_path):
    """A real nginx that serves tmp_path/served, for tests marked node."""
    with serving(tmp_path / "served") as server:
        yield server


@pytest.fixture
def xrootd(tmp_path):
    """Its URL and the folder that it serves, which can be written to."""
    (tmp_path / "xrootd").mkdir()
    root = tmp_path / "served"
    root.mkdir(exist_ok=True)
    port = free_port()
    config = tmp_path / "xrootd/config"
    config.write_text(
        f"all.export / \noss.localroot {root}\nxrd.port {port}\nall.adminpath {tmp_path}/xrootd\n"
        f"all.pidpath {tmp_path}/xrootd\nxrootd.chksum adler32\nofs.persist auto\n"
    )
    with running(["xrootd", "-c", config, "-l", tmp_path / "xrootd/log", "-n", "test"], port):
        yield f"root://127.0.0.1:{port}", root


@pytest.fixture
def s3(tmp_path, monkeypatch):
    """The URL of moto's server, with the bucket data in it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    for name, value in {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "ENDPOINT_URL": url}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    words = [sys.executable, "-m", "moto.server", "-p", port]
    with open(tmp_path / "moto.log", "w") as log, running(words, port, stdout=log, stderr=log):
        subprocess.run(["curl", "-sf", "-X", "PUT", f"{url}/data"], check=True)
        yield url

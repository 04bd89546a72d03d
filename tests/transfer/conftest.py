"""What the tests of transfers share: the server that misbehaves, and certificates for it."""

import contextlib
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import NamedTuple

import pytest

from jobwrap.transfer.options import Options

SERVER = Path(__file__).with_name("fault_server.py")
# As the defaults, but a test does not wait for long.
SWIFT = Options(
    attempts=3, pause=0.02, longest_pause=3, connect=3, answer=1.0, ramp_up=0.2, window=0.6, deadline=20
)


class Asked(NamedTuple):
    """One request as the server read it; header names are in lower case."""

    method: str
    target: str
    headers: dict


class Faults(NamedTuple):
    """The running server; url has no slash at its end."""

    url: str
    log: Path

    def asked(self) -> list[Asked]:
        """All requests so far."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [Asked(*json.loads(line)) for line in lines]


@contextlib.contextmanager
def misbehaving(folder: Path, certificate: Path | None = None, name: str = "localhost"):
    """The server of fault_server.py, with its log in `folder`; https with a certificate."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    words = [sys.executable, SERVER, log, *([certificate] if certificate else [])]
    process = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, text=True)
    try:
        port = int(process.stdout.readline())
        yield Faults(f"http{'s' if certificate else ''}://{name}:{port}", log)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="session")
def one_server(tmp_path_factory):
    with misbehaving(tmp_path_factory.mktemp("faults"), name="127.0.0.1") as server:
        yield server


@pytest.fixture
def faults(one_server):
    """The server, as if it had just been started."""
    urllib.request.urlopen(f"{one_server.url}/forget").close()
    return one_server


def make_certificate(path: Path, *words: str) -> Path:
    """A certificate for localhost that signs itself, and its key, in one PEM file."""
    key = path.with_suffix(".key")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", path)
    subprocess.run([*command, *names, *(words or ("-days", "2"))], check=True, capture_output=True)
    path.write_text(path.read_text() + key.read_text())
    return path

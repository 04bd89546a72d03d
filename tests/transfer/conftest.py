"""What the tests of transfers share: the server that misbehaves, and certificates for it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import NamedTuple

import pytest

# Imported here once, and not by the child of each test anew.
from jobwrap.transfer import inbound, outbound
from jobwrap.transfer.options import Options
from jobwrap.transfer.protocols import http, local

__all__ = ["http", "inbound", "local", "outbound"]

SERVER = Path(__file__).with_name("fault_server.py")
# As the defaults, but a test does not wait for long; a machine that stands still for a moment costs no try.
SWIFT = Options(
    attempts=3, pause=0.02, longest_pause=3, connect=20, answer=20, ramp_up=10, window=20, deadline=120
)
# By the way of a server that never gets on: what of SWIFT has to be short, so that it is soon given up.
_STALLED = {"ramp_up": 0.2, "window": 0.6}
HASTY = {"silent": {"answer": 1.0}, "drip": _STALLED, "stall": _STALLED}


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


_CA = """
[ca]
default_ca = here
[here]
database = database
new_certs_dir = .
serial = serial
default_md = sha256
policy = policy
x509_extensions = extensions
[policy]
commonName = supplied
[extensions]
subjectAltName = {name}
basicConstraints = critical, CA:true
[req]
distinguished_name = empty
[empty]
"""


def make_certificate(folder: Path, names="DNS:localhost, IP:127.0.0.1", year: int | None = None) -> Path:
    """A certificate that signs itself, and its key, in one PEM file; good now, or on a day of `year`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config").write_text(_CA.format(name=names))
    (folder / "database").touch()
    (folder / "serial").write_text("01")
    year = year or time.gmtime().tm_year
    until = year if year < time.gmtime().tm_year else year + 1
    for words in (
        "req -new -newkey rsa:2048 -nodes -keyout key -out request -subj /CN=localhost -config config",
        "ca -config config -selfsign -batch -keyfile key -in request -out certificate -notext"
        f" -startdate {year}0101000000Z -enddate {until}0102000000Z",
    ):
        subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_text((folder / "certificate").read_text() + (folder / "key").read_text())
    return both

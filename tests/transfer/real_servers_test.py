"""Real servers and clients of the worker node: squid, XRootD, S3 (moto's server), HTCondor's curl_plugin."""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.transfer.deliver import deliver
from jobwrap.transfer.fetch import Wanted, fetch_all, probe_all
from tests.run_test import wait_for
from tests.servers import free_port, running, serving
from tests.transfer.conftest import SWIFT, misbehaving
from tests.transfer.fault_server import CONTENT, OTHER, SHA256

pytestmark = pytest.mark.node
RIGHT = ("sha256", SHA256)


def fetch(place, tmp_path, options=SWIFT, checksum=None, more=()):
    (fetched,) = fetch_all([Wanted("x", (place, *more), checksum, str(tmp_path / "x"))], options)
    return fetched


# --- squid ---


class Squid(NamedTuple):
    url: str
    log: Path

    def codes(self):
        """TCP_MISS and the like, of each request in its order, whoever closed the connection first."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        codes = [line.split()[3].partition("/")[0].removesuffix("_ABORTED") for line in lines]
        return [code for code in codes if code != "NONE_NONE"]  # a connection without a request


@contextlib.contextmanager
def squid(folder, rules="http_access allow all"):
    folder.mkdir()
    port = free_port()
    lines = (
        f"http_port 127.0.0.1:{port}",
        f"pid_filename {folder}/pid",
        f"access_log stdio:{folder}/access.log",
        f"cache_log {folder}/cache.log",
        f"coredump_dir {folder}",
        "cache_mem 64 MB",
        "maximum_object_size_in_memory 8 MB",
        "logfile_rotate 0",
        "shutdown_lifetime 0 seconds",
        "pinger_enable off",
        rules,
    )
    (folder / "conf").write_text("\n".join(lines) + "\n")
    with running(["squid", "-N", "-f", folder / "conf"], port):
        yield Squid(f"http://127.0.0.1:{port}", folder / "access.log")


def test_a_squid_is_asked_and_has_it_the_second_time(nginx, tmp_path):
    (nginx.root / "file").write_bytes(CONTENT)
    os.utime(nginx.root / "file", (1e9, 1e9))  # old: squid takes it for fresh
    with squid(tmp_path / "squid") as proxy:
        options = SWIFT._replace(proxies=(proxy.url,))
        for _ in range(2):
            fetch(f"{nginx.url}/file", tmp_path, options, RIGHT)
        assert len(wait_for(nginx.requests)) == 1
    first, second = proxy.codes()
    assert first == "TCP_MISS" and second.endswith("HIT")  # from memory only once squid has let go of it


def test_a_squid_that_refuses_is_passed_by(nginx, tmp_path):
    (nginx.root / "file").write_bytes(CONTENT)
    with squid(tmp_path / "squid", "http_access deny all") as proxy:
        fetched = fetch(f"{nginx.url}/file", tmp_path, SWIFT._replace(proxies=(proxy.url,)), RIGHT)
    assert fetched.attempts == 1 and "TCP_DENIED" in proxy.codes()


def test_a_squid_that_is_not_there_is_passed_by(nginx, tmp_path):
    (nginx.root / "file").write_bytes(CONTENT)
    options = SWIFT._replace(proxies=(f"http://127.0.0.1:{free_port()}",))
    assert fetch(f"{nginx.url}/file", tmp_path, options, RIGHT).attempts == 1


def test_a_wrong_copy_in_a_squid_is_passed_by(nginx, tmp_path):
    (nginx.root / "file").write_bytes(OTHER)
    os.utime(nginx.root / "file", (1e9, 1e9))
    with squid(tmp_path / "squid") as proxy:
        options = SWIFT._replace(proxies=(proxy.url,))
        fetch(f"{nginx.url}/file", tmp_path, options)
        (nginx.root / "file").write_bytes(CONTENT)
        assert fetch(f"{nginx.url}/file", tmp_path, options, RIGHT).attempts == 2
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_no_squid_is_asked_for_what_is_excepted(nginx, tmp_path):
    (nginx.root / "file").write_bytes(CONTENT)
    with squid(tmp_path / "squid") as proxy:
        fetch(f"{nginx.url}/file", tmp_path, SWIFT._replace(proxies=(proxy.url,), no_proxy=("127.0.0.1",)))
        assert proxy.codes() == []


# --- XRootD ---


def test_xrootd_gives_a_file_and_its_checksum(xrootd, tmp_path):
    url, root = xrootd
    (root / "file").write_bytes(CONTENT)
    fetched = fetch(f"{url}//file", tmp_path)
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert (fetched.bytes, fetched.checksum) == (len(CONTENT), RIGHT)


def test_xrootd_without_the_file_says_so(xrootd, tmp_path):
    url, _ = xrootd
    for ask in (fetch_all, probe_all):
        with pytest.raises(JobwrapError, match="no such file") as raised:
            ask([Wanted("x", (f"{url}//none",), None, str(tmp_path / "x"))], SWIFT)
        assert raised.value.failure.name == "input.not_found"
    assert not (tmp_path / "x").exists()


def test_xrootd_takes_a_file(xrootd, tmp_path):
    url, root = xrootd
    (tmp_path / "output").write_bytes(CONTENT)
    for _ in range(2):
        deliver(str(tmp_path / "output"), f"{url}//new/file", SWIFT)
    assert (root / "new/file").read_bytes() == CONTENT


def test_a_token_does_not_become_an_argument(xrootd, tmp_path):
    with pytest.raises(JobwrapError, match="BEARER_TOKEN_FILE") as raised:
        fetch(f"{xrootd[0]}//file?authz=secret", tmp_path)
    assert raised.value.failure.name == "input.denied" and "secret" not in raised.value.sentence


def test_an_xrootd_that_is_not_there_is_unreachable(tmp_path):
    with pytest.raises(JobwrapError) as raised:
        options = SWIFT._replace(attempts=1, connect=3, answer=5)
        fetch(f"root://127.0.0.1:{free_port()}//file", tmp_path, options)
    assert raised.value.failure.name == "input.unreachable"


# --- S3 ---


def test_s3_takes_a_file_and_gives_it_back(s3, tmp_path):
    (tmp_path / "output").write_bytes(CONTENT)
    deliver(str(tmp_path / "output"), "s3://data/folder/a file+1", SWIFT)
    fetched = fetch("s3://data/folder/a file+1", tmp_path)
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert fetched.checksum == RIGHT


def test_s3_takes_a_large_file_in_parts(s3, tmp_path, monkeypatch):
    monkeypatch.setattr("jobwrap.transfer.protocols.s3.LARGEST", 6 << 20)
    monkeypatch.setattr("jobwrap.transfer.protocols.s3parts.PART", 5 << 20)
    content = os.urandom(12 << 20)
    (tmp_path / "output").write_bytes(content)
    deliver(str(tmp_path / "output"), "s3://data/large", SWIFT)
    fetch("s3://data/large", tmp_path)
    assert (tmp_path / "x").read_bytes() == content


def test_a_failed_upload_in_parts_leaves_none_there(s3, tmp_path, monkeypatch):
    monkeypatch.setattr("jobwrap.transfer.protocols.s3.LARGEST", 1)
    monkeypatch.setattr("jobwrap.transfer.protocols.s3parts.PART", 1 << 20)  # S3 wants 5 MiB at least
    (tmp_path / "output").write_bytes(bytes(3 << 20))
    with pytest.raises(JobwrapError):
        deliver(str(tmp_path / "output"), "s3://data/bad", SWIFT._replace(attempts=1))
    listed = subprocess.run(["curl", "-sf", f"{s3}/data?uploads"], check=True, capture_output=True).stdout
    assert b"<Upload>" not in listed


def test_s3_without_the_object_says_so(s3, tmp_path):
    with pytest.raises(JobwrapError) as raised:
        fetch("s3://data/none", tmp_path)
    assert raised.value.failure.name == "input.not_found"


def test_s3_without_credentials_is_denied(s3, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(JobwrapError, match="AWS_ACCESS_KEY_ID"):
        fetch("s3://data/file", tmp_path)


# --- HTCondor's plugins ---

CURL_PLUGIN = "/usr/libexec/condor/curl_plugin"


@pytest.fixture
def plugin(monkeypatch):
    """The http: that HTCondor's own plugin serves."""
    from jobwrap.transfer import schemes

    monkeypatch.setitem(schemes.SCHEMES, "http", "plugin")


def test_a_plugin_brings_a_file(plugin, nginx, tmp_path):
    (nginx.root / "file").write_bytes(CONTENT)
    fetched = fetch(f"{nginx.url}/file", tmp_path, checksum=RIGHT)
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert fetched.bytes == len(CONTENT)
    assert sorted(os.listdir(tmp_path)) == ["nginx-served", "served", "x"]


def test_a_plugin_takes_a_file(plugin, tmp_path):
    (tmp_path / "output").write_bytes(CONTENT)
    with serving(tmp_path / "dav", dav=True) as server:
        deliver(str(tmp_path / "output"), f"{server.url}/file", SWIFT)
        assert (server.root / "file").read_bytes() == CONTENT


def test_what_a_plugin_says_of_its_failure_is_told(plugin, nginx, tmp_path):
    with pytest.raises(JobwrapError, match="404") as raised:
        fetch(f"{nginx.url}/none", tmp_path, SWIFT._replace(attempts=1))
    assert raised.value.failure.name == "input.unreachable"


def test_a_scheme_that_nobody_serves_is_named(tmp_path):
    with pytest.raises(JobwrapError, match="gopher") as raised:
        fetch("gopher://localhost/x", tmp_path)
    assert raised.value.failure.name == "input.scheme"


# --- a mount that hangs ---


def test_a_place_on_a_mount_that_hangs_is_left_for_the_next(tmp_path):
    """The thread that waits there is given up, and so is its process."""
    mount, data = tmp_path / "mount", tmp_path / "data"
    mount.mkdir()
    data.write_bytes(CONTENT)
    control = tmp_path / "control"
    control.write_text('{"mode": "hang"}')
    fuse = Path(__file__).parents[1] / "node/fuse_cvmfs.py"
    process = subprocess.Popen([sys.executable, fuse, mount, control], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline().strip() == "mounted"
        options = SWIFT._replace(answer=0.5, attempts=1)
        fetched = fetch(f"{mount}/file", tmp_path, options, more=(str(data),))
        assert fetched.source == str(data)
        assert "took too long" in fetched.skipped[0][1]
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


# --- many ---


def test_two_hundred_small_files_are_each_right(nginx, tmp_path):
    wanted = []
    for index in range(200):
        content = os.urandom(10_000)
        (nginx.root / str(index)).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        wanted.append(
            Wanted(str(index), (f"{nginx.url}/{index}",), ("sha256", digest), f"{tmp_path}/to/{index}")
        )
    fetch_all(wanted)
    assert len(os.listdir(tmp_path / "to")) == 200


def test_the_wrapper_itself_keeps_nothing_of_a_transfer(nginx, tmp_path):
    """Its modules and memory are the child's."""
    (nginx.root / "file").write_bytes(CONTENT)
    code = (
        "import sys\nfrom jobwrap.transfer.fetch import Wanted, fetch_all\n"
        f"fetch_all([Wanted('x', ('{nginx.url}/file',), None, '{tmp_path}/x')])\n"
        "print([name for name in ('socket', 'threading', 'queue', 'ssl') if name in sys.modules])\n"
    )
    words = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(Path.cwd())!r})\n{code}"]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_server_of_our_own_and_a_real_one_serve_one_input(nginx, tmp_path):
    (nginx.root / "file").write_bytes(CONTENT)
    with misbehaving(tmp_path / "faults", name="127.0.0.1") as faults:
        places = (f"{faults.url}/always_broken_off", f"{nginx.url}/file")
        (fetched,) = fetch_all([Wanted("x", places, RIGHT, str(tmp_path / "x"))], SWIFT)
    assert fetched.source == places[1]

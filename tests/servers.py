"""Real servers for tests, on free ports of the loopback, started and ended by the test that needs them."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

_NGINX = """
daemon off; worker_processes 1; pid {work}/pid; error_log {work}/error.log; {main}
events {{ worker_connections 1024; }}
http {{
    log_format plain '$request_method $request_uri $status $body_bytes_sent $connection "$http_range"';
    access_log {work}/access.log plain; sendfile on; client_max_body_size 0; keepalive_requests 100000;
    {http}
    client_body_temp_path {work}/t1; proxy_temp_path {work}/t2; fastcgi_temp_path {work}/t3;
    uwsgi_temp_path {work}/t4; scgi_temp_path {work}/t5;
    server {{ listen 127.0.0.1:{port}{ssl}; root {root}; {server} }}
}}
"""
# WebDAV: the main block's line and the server's.
_DAV_MODULE = "load_module /usr/lib/nginx/modules/ngx_http_dav_ext_module.so;"
_DAV = (
    "dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS; create_full_put_path on; "
    "dav_access user:rw;"
)


class Request(NamedTuple):
    """A line of the access log. Requests of one connection have the same number there; range is a header."""

    method: str
    path: str
    status: int
    bytes: int
    connection: str
    range: str


class Server(NamedTuple):
    """url has no slash at its end; log holds one line a request; what is served lies in root."""

    url: str
    log: Path
    root: Path

    def requests(self) -> list[Request]:
        """What was asked so far, oldest first."""
        found = []
        for line in self.log.read_text().splitlines():
            method, path, status, size, connection, wanted = line.split(" ")
            found.append(Request(method, path, int(status), int(size), connection, wanted.strip('"-')))
        return found


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serving(
    root: Path, *, http: str = "", server: str = "", dav: bool = False, certificate: Path | None = None
):
    """nginx over the folder `root`; http and server are further lines of these blocks.

    dav lets clients write; certificate, a PEM file with its key, makes it https.
    """
    root.mkdir(parents=True, exist_ok=True)
    work = root.parent / f"nginx-{root.name}"
    work.mkdir(exist_ok=True)
    port = free_port()
    blocks = {"main": _DAV_MODULE if dav else "", "http": http, "server": (_DAV if dav else "") + server}
    ssl = f" ssl; ssl_certificate {certificate}; ssl_certificate_key {certificate}" if certificate else ""
    (work / "conf").write_text(_NGINX.format(work=work, root=root, port=port, ssl=ssl, **blocks))
    with running(["nginx", "-e", work / "error.log", "-c", work / "conf"], port):
        yield Server(f"http{'s' if certificate else ''}://127.0.0.1:{port}", work / "access.log", root)


@contextlib.contextmanager
def running(words: list, port: int, **kwargs):
    """A server in a process group of its own, for the length of a with block; it must listen on `port`."""
    process = subprocess.Popen(
        list(map(str, words)), stdin=subprocess.DEVNULL, start_new_session=True, **kwargs
    )
    try:
        wait_for_port(port, process)
        yield process
    finally:
        for end in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(process.pid, end)
                process.wait(10)


def wait_for_port(port: int, process: subprocess.Popen, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert process.poll() is None, "the server ended at once"
        assert time.monotonic() < deadline, "the server does not listen"
        time.sleep(0.02)

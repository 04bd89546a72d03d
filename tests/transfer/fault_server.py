"""An HTTP server that misbehaves on demand: fault_server.py LOG [CERTIFICATE]

The path says how: each function below that is marked as a way. It prints its port, and writes one
JSON line a request to LOG. Of `CONTENT`, which it serves, tests know every byte.
"""

import hashlib
import json
import re
import socketserver
import ssl
import sys
import threading
import time
from base64 import b64encode
from collections import Counter

CONTENT = bytes(range(256)) * 4096  # 1 MiB
OTHER = CONTENT[::-1]
SIZE = len(CONTENT)
HALF = SIZE // 2
SHA256 = hashlib.sha256(CONTENT).hexdigest()

seen = Counter()
stored = {}
lock = threading.Lock()


class Request:
    """One request: how often its path was asked for before is `nth`."""

    def __init__(self, handler, line, headers):
        self.handler, self.headers = handler, headers
        self.method, self.target = line.split(" ")[:2]
        self.path, _, self.query = self.target.partition("?")
        with lock:
            self.nth = seen[self.method, self.path]
            seen[self.method, self.path] += 1

    def send(self, *blocks):
        for block in blocks:
            self.handler.wfile.write(block)
        self.handler.wfile.flush()

    def head(self, status="200 OK", length=SIZE, **headers):
        lines = [f"HTTP/1.1 {status}"]
        if length is not None:
            lines.append(f"Content-Length: {length}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))

    def answer(self, status="200 OK", body=CONTENT, **headers):
        self.head(status, len(body), **headers)
        self.send(body)

    def close(self):
        self.handler.close_connection = True

    def body(self):
        return self.handler.rfile.read(int(self.headers.get("content-length", 0)))

    def start(self):
        """Where the range that is asked for begins; 0 without one."""
        found = re.match(r"bytes=(\d+)-", self.headers.get("range", ""))
        return int(found[1]) if found else 0


WAYS = {}


def way(function):
    """One way to answer, by the first part of the path."""
    WAYS[function.__name__] = function
    return function


# --- how a GET can go ---


@way
def ok(request):
    request.answer()


@way
def status(request):
    request.answer(request.path.split("/")[2] + " As Asked", b"why")


@way
def broken_off(request, etag='"one"', times=1, **headers):
    """Half of it, so many times; then what is asked for."""
    if request.nth < times:
        request.head(ETag=etag, **headers)
        request.send(CONTENT[:HALF])
        request.close()
    elif request.start() and request.headers.get("if-range") == etag:
        part = CONTENT[request.start() :]
        span = f"bytes {request.start()}-{SIZE - 1}/{SIZE}"
        request.answer("206 Partial Content", part, Content_Range=span, ETag=etag, **headers)
    else:
        request.answer(ETag=etag, **headers)


@way
def weak(request):
    broken_off(request, etag='W/"one"')


@way
def always_broken_off(request):
    request.head()
    request.send(CONTENT[:HALF])
    request.close()


@way
def changed(request):
    if request.nth:
        request.answer(body=OTHER, ETag='"two"')
    else:
        broken_off(request)


@way
def ignores_range(request):
    if request.nth:
        request.answer(ETag='"one"')
    else:
        broken_off(request)


@way
def wrong_range(request):
    if request.nth == 1:
        span = f"bytes 10-{SIZE - 1}/{SIZE}"
        request.answer("206 Partial Content", CONTENT[10:], Content_Range=span, ETag='"one"')
    else:
        broken_off(request)


@way
def other_version(request):
    """The right range of a file that has changed meanwhile."""
    if request.nth == 1:
        span = f"bytes {request.start()}-{SIZE - 1}/{SIZE}"
        request.answer("206 Partial Content", OTHER[request.start() :], Content_Range=span, ETag='"two"')
    else:
        broken_off(request)


@way
def no_such_range(request):
    if request.nth == 1:
        request.answer("416 Range Not Satisfiable", b"", Content_Range="bytes */17")
    else:
        broken_off(request)


@way
def drip(request):
    request.head()
    for at in range(SIZE):
        request.send(CONTENT[at : at + 1])
        time.sleep(0.05)


@way
def stall(request):
    request.head()
    request.send(CONTENT[: SIZE * 99 // 100])
    time.sleep(60)


@way
def silent(request):
    time.sleep(60)


@way
def garbage(request):
    request.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    request.close()


@way
def endless_head(request):
    request.send(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000)


@way
def says_longer(request):
    request.head(length=SIZE + 1)
    request.send(CONTENT)
    request.close()


@way
def says_shorter(request):
    request.head(length=SIZE - 1)
    request.send(CONTENT)


@way
def bad_length(request):
    request.head(length="-1")
    request.send(CONTENT)


@way
def until_close(request):
    request.head(length=None)
    request.send(CONTENT)
    request.close()


@way
def torn(request):
    """As until_close, but without the end that TLS gives a connection."""
    request.head(length=None)
    request.send(CONTENT)
    request.close()
    request.handler.torn = True


@way
def chunked(request):
    request.head(length=None, Transfer_Encoding="chunked")
    for at in range(0, SIZE, 100_000):
        block = CONTENT[at : at + 100_000]
        request.send(b"%x;note=1\r\n" % len(block), block, b"\r\n")
    request.send(b"0\r\nTrailer: x\r\n\r\n")


@way
def chunk_cut(request):
    request.head(length=None, Transfer_Encoding="chunked")
    request.send(b"%x\r\n" % HALF, CONTENT[:HALF], b"\r\n")
    request.close()


@way
def later(request):
    """429 with the Retry-After in the path, once."""
    if request.nth:
        request.answer()
    else:
        request.answer("429 Too Many Requests", b"", Retry_After=request.path.split("/")[2])


@way
def later_date(request):
    """429 until a date that is between one and two seconds away."""
    if request.nth:
        request.answer()
    else:
        date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 2))
        request.answer("429 Too Many Requests", b"", Retry_After=date)


@way
def unavailable_twice(request):
    if request.nth < 2:
        request.answer("503 Service Unavailable", b"")
    else:
        request.answer()


@way
def redirect(request):
    request.answer("302 Found", b"", Location=request.query)


@way
def loop(request):
    request.answer("302 Found", b"", Location="/loop")


@way
def gzipped(request):
    request.answer(Content_Encoding="gzip")


@way
def digest(request):
    """The digest header that the path names: right, wrong, adler or old."""
    right = b64encode(hashlib.sha256(CONTENT).digest()).decode()
    wrong = b64encode(hashlib.sha256(OTHER).digest()).decode()
    headers = {
        "right": {"Repr_Digest": f"sha-256=:{right}:, unknown=:AAAA:"},
        "wrong": {"Repr_Digest": f"sha-256=:{wrong}:"},
        "old": {"Digest": f"SHA-256={wrong}"},
        "adler": {"Digest": "adler32=00000001"},
    }
    request.answer(**headers[request.path.split("/")[2]])


@way
def versioned(request):
    """What a cache may keep as long as the server says that it is the same."""
    if request.headers.get("if-none-match") == '"one"':
        request.head("304 Not Modified", None, ETag='"one"')
    else:
        request.answer(ETag='"one"')


@way
def forget(request):
    """Everything that was asked and stored so far."""
    with lock:
        seen.clear()
        stored.clear()
        open(sys.argv[1], "w").close()
    request.answer(body=b"")


@way
def slowly(request):
    """At about 500 kB/s, divided by the number that the path may end in."""
    pause = 0.06 * int(request.path.partition("/slowly/")[2] or 1)
    request.head()
    for at in range(0, SIZE, 30_000):
        request.send(CONTENT[at : at + 30_000])
        time.sleep(pause)


def director(request):
    """A federation's: what its namespaces are is in the path behind the API's."""
    namespace, _, path = re.sub("^/director/api/v1.0/director/(object|origin)/", "", request.path).partition(
        "/"
    )
    links = {
        "status": ["/ok/third", "/status/503/first", "/status/404/second"],
        "broken": ["/status/503"],
        "protected": [f"/{path}"],
        "public": [f"/{path}"],
    }.get(namespace)
    if links is None:
        request.answer("404 Not Found", b"no such namespace")
        return
    order = {"/ok/third": 3, "/status/503/first": 1, "/status/404/second": 2}
    link = ", ".join(f'<{one}>; rel="duplicate"; pri={order.get(one, 1)}; depth=1' for one in links)
    told = f"namespace=/{namespace}, require-token={'true' if namespace == 'protected' else 'false'}"
    request.answer("307 Temporary Redirect", b"", Link=link, Location=links[0], X_Pelican_Namespace=told)


# --- how a PUT can go ---


@way
def put(request):
    stored[request.path] = request.body()
    request.answer("201 Created", b"")


@way
def put_lost_reply(request):
    """Stores it; the first reply never comes."""
    stored[request.path] = request.body()
    if request.nth:
        request.answer("201 Created", b"")
    else:
        request.close()


@way
def put_once(request):
    """Stores it and loses the reply; will not have it overwritten."""
    if request.path in stored:
        request.answer("409 Conflict", b"")
    else:
        put_lost_reply(request)


@way
def put_wrong(request):
    """Says that all is well, and keeps half."""
    body = request.body()
    stored[request.path] = body[: len(body) // 2]
    request.answer("201 Created", b"")


@way
def put_unavailable(request):
    if request.nth:
        put(request)
    else:
        request.body()
        request.answer("503 Service Unavailable", b"")


@way
def put_refused(request):
    request.answer("403 Forbidden", b"")
    request.close()


@way
def put_elsewhere(request):
    request.answer("307 Temporary Redirect", b"", Location="/put/redirected")
    request.close()


class Handler(socketserver.StreamRequestHandler):
    """One connection, many requests."""

    def handle(self):
        self.close_connection = self.torn = False
        try:
            if isinstance(self.request, ssl.SSLSocket):
                self.request.do_handshake()
            while not self.close_connection and self.one():
                pass
            if isinstance(self.request, ssl.SSLSocket) and not self.torn:
                self.request.unwrap()
        except OSError:
            pass  # whoever asked has gone

    def one(self):
        line = self.rfile.readline().decode("latin-1").rstrip("\r\n")
        if not line:
            return False
        headers = {}
        while header := self.rfile.readline().decode("latin-1").rstrip("\r\n"):
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        request = Request(self, line, headers)
        with lock, open(sys.argv[1], "a") as log:
            log.write(json.dumps([request.method, request.target, headers]) + "\n")
        if headers.get("expect") and not request.path.startswith(("/put_refused", "/put_elsewhere")):
            request.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if request.path == "/.well-known/pelican-configuration":
            place = f"https://{headers['host']}/director"
            request.answer(body=json.dumps({"director_endpoint": place}).encode())
        elif request.path.startswith("/director/"):
            request.body()
            director(request)
        elif request.method == "OPTIONS":
            request.answer("200 OK", b"", Allow="GET, PUT, MOVE" if "dav" in request.path else "GET, PUT")
        elif request.method == "MOVE":
            stored[re.sub(r"^https?://[^/]*", "", headers["destination"])] = stored.pop(request.path)
            request.answer("201 Created", b"")
        elif request.method != "PUT" and request.path in stored:
            body = stored[request.path]
            request.head(length=len(body))
            request.send(body if request.method == "GET" else b"")
        elif request.method == "HEAD" and not request.path.startswith("/put_elsewhere"):
            request.head("404 Not Found", 0)
        else:
            WAYS[request.path.split("/")[1]](request)
        return True


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def main():
    server = Server(("127.0.0.1", 0), Handler)
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2])
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

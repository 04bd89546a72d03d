"""A registry of the tests' own for one image, test/image:1: registry.py PORT CONTENT LOG PEM [LOGIN]

CONTENT is the folder of the files of a docker:// image's one layer, or the SIF file of an oras:// image.
PEM is a certificate with its key. With LOGIN, name:password, it wants a token, which it gives for that.
LOG gets a line for each request. Each blob is sent slowly enough that a second slot comes while the first
still pulls.
"""

import base64
import gzip
import hashlib
import http.server
import io
import json
import os
import ssl
import sys
import tarfile
import time

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI = ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip")
SIF = ("application/vnd.sylabs.sif.config.v1+json", "application/vnd.sylabs.sif.layer.v1.sif")


def blobs_of_folder(folder):
    """The configuration and the one layer."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        archive.add(folder, ".")
    inner = "sha256:" + hashlib.sha256(plain.getvalue()).hexdigest()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/bin", "CUDA_VERSION=12.4.1"], "Labels": {"made": "by a test"}},
        "rootfs": {"type": "layers", "diff_ids": [inner]},
    }
    return [json.dumps(config).encode(), gzip.compress(plain.getvalue())]


def packed(content):
    """The manifest, and the registry's objects by their digest."""
    if os.path.isfile(content):
        with open(content, "rb") as file:
            kinds, blobs = SIF, [b"{}", file.read()]
    else:
        kinds, blobs = OCI, blobs_of_folder(content)
    parts = [
        {"mediaType": kind, "size": len(blob), "digest": "sha256:" + hashlib.sha256(blob).hexdigest()}
        for kind, blob in zip(kinds, blobs, strict=True)
    ]
    if kinds == SIF:
        parts[1]["annotations"] = {"org.opencontainers.image.title": "image.sif"}
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0], "layers": parts[1:]}
    objects = {part["digest"]: blob for part, blob in zip(parts, blobs, strict=True)}
    return json.dumps(manifest).encode(), objects


class Registry(http.server.BaseHTTPRequestHandler):
    """Knows the image test/image:1 and nothing else."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path, _, query = self.path.partition("?")
        said = self.headers.get("Authorization", "")
        if path == "/token":
            basic = "Basic " + base64.b64encode(self.server.login.encode()).decode()
            right = said == basic and "scope=repository" in query and "service=tests" in query
            self.give(200 if right else 401, b'{"token": "of-this-registry"}' if right else b"{}")
        elif self.server.login and said != "Bearer of-this-registry":
            challenge = f'Bearer realm="https://127.0.0.1:{sys.argv[1]}/token",service="tests"'
            challenge += ',scope="repository:test/image:pull"'
            errors = b'{"errors": [{"code": "UNAUTHORIZED"}]}'
            self.give(401, errors, ("WWW-Authenticate", challenge))
        else:
            content, kind = self.found(path)
            self.give(200 if content is not None else 404, content, ("Content-Type", kind))

    do_HEAD = do_GET

    def give(self, status, content, *headers):
        self.send_response(status)
        content = content if content is not None else b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}'
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        for name, value in (*headers, ("Content-Length", len(content)), ("Docker-Content-Digest", digest)):
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def found(self, path):
        digest = "sha256:" + hashlib.sha256(self.server.manifest).hexdigest()
        if path == "/v2/":
            return b"{}", "application/json"
        if path in (f"/v2/test/image/manifests/{each}" for each in ("1", digest)):
            return self.server.manifest, MANIFEST
        time.sleep(0.5)
        blob = self.server.objects.get(path.removeprefix("/v2/test/image/blobs/"))
        return blob, "application/octet-stream"

    def log_message(self, form, *values):
        with open(sys.argv[3], "a") as log:
            log.write(f"{self.command} {self.path}\n")


if __name__ == "__main__":
    content = packed(sys.argv[2])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Registry)
    server.manifest, server.objects = content
    server.login = sys.argv[5] if len(sys.argv) > 5 else ""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()

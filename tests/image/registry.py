"""A registry of the tests' own for one image, as docker:// speaks with it: registry.py PORT FOLDER LOG PEM

FOLDER holds the files of the image's one layer, PEM a certificate with its key. LOG gets a line for
each request. Each layer is sent slowly enough that a second slot comes while the first still pulls.
"""

import gzip
import hashlib
import http.server
import io
import json
import ssl
import sys
import tarfile
import time


def packed(folder):
    """The layer, and the registry's objects by their digest."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        archive.add(folder, ".")
    layer = gzip.compress(plain.getvalue())
    inner = "sha256:" + hashlib.sha256(plain.getvalue()).hexdigest()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/bin", "CUDA_VERSION=12.4.1"], "Labels": {"made": "by a test"}},
        "rootfs": {"type": "layers", "diff_ids": [inner]},
    }
    kinds = ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip")
    blobs = [json.dumps(config).encode(), layer]
    parts = [
        {"mediaType": kind, "size": len(blob), "digest": "sha256:" + hashlib.sha256(blob).hexdigest()}
        for kind, blob in zip(kinds, blobs, strict=True)
    ]
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": parts[0], "layers": parts[1:]}
    objects = {part["digest"]: blob for part, blob in zip(parts, blobs, strict=True)}
    return json.dumps(manifest).encode(), objects


MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Registry(http.server.BaseHTTPRequestHandler):
    """Knows the image test/image:1 and nothing else."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        content, kind = self.found()
        self.send_response(200 if content is not None else 404)
        content = content if content is not None else b'{"errors": [{"code": "MANIFEST_UNKNOWN"}]}'
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Docker-Content-Digest", "sha256:" + hashlib.sha256(content).hexdigest())
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    do_HEAD = do_GET

    def found(self):
        digest = "sha256:" + hashlib.sha256(self.server.manifest).hexdigest()
        if self.path == "/v2/":
            return b"{}", "application/json"
        if self.path in (f"/v2/test/image/manifests/{each}" for each in ("1", digest)):
            return self.server.manifest, MANIFEST
        time.sleep(0.5)
        blob = self.server.objects.get(self.path.removeprefix("/v2/test/image/blobs/"))
        return blob, "application/octet-stream"

    def log_message(self, form, *values):
        with open(sys.argv[3], "a") as log:
            log.write(f"{self.command} {self.path}\n")


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Registry)
    server.manifest, server.objects = packed(sys.argv[2])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[4])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()

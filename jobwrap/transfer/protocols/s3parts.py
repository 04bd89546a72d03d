"""A file too large for one PUT, in parts: S3's multipart upload."""

from __future__ import annotations

import hashlib
import os
import re
from urllib.parse import quote

from jobwrap.transfer import exchange
from jobwrap.transfer.answer import Answer
from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.exchange import Request
from jobwrap.transfer.hashing import give_block, take_block
from jobwrap.transfer.protocols.s3sign import Account, in_base64, signed
from jobwrap.transfer.source import Source
from jobwrap.transfer.trouble import Passing, Trouble
from jobwrap.transfer.url import Url

PART = 512 << 20  # at most 10,000 of them
_UPLOAD = re.compile(rb"<UploadId>([^<]+)</UploadId>")
_OK, _NO_CONTENT = 200, 204


def put(account: Account, url: Url, source: Source, attempt: Attempt) -> None:
    """All parts in turn, each with its sha256; what was sent of a failed upload is thrown away there."""
    begun = url._replace(query="uploads=")
    started = signed(account, "POST", begun, {"x-amz-checksum-algorithm": "SHA256"})
    _, said = _ask(Request("POST", begun, started), attempt)
    found = _UPLOAD.search(said)
    if not found:
        raise Passing("it did not begin the upload")
    upload = quote(found[1].decode(), safe="-_.~")
    try:
        parts = [
            _put_part(
                account, url._replace(query=f"partNumber={number}&uploadId={upload}"), source, start, attempt
            )
            for number, start in enumerate(range(0, source.size, PART), 1)
        ]
        _complete(account, url._replace(query=f"uploadId={upload}"), parts, attempt)
    except Trouble:
        _abort(account, url._replace(query=f"uploadId={upload}"), attempt)
        raise


def _put_part(account: Account, url: Url, source: Source, start: int, attempt: Attempt) -> tuple[str, str]:
    """(ETag, sha256 in base64) of the part that was sent."""
    size = min(PART, source.size - start)
    sha256 = _digest(source, start, size)
    headers = signed(account, "PUT", url, {"x-amz-checksum-sha256": in_base64(sha256)}, sha256)
    answer, _ = _ask(Request("PUT", url, headers, source.file, size, start), attempt)
    return answer.headers.get("etag", ""), in_base64(sha256)


def _complete(account: Account, url: Url, parts: list[tuple[str, str]], attempt: Attempt) -> None:
    listed = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>"
        f"<ChecksumSHA256>{sha256}</ChecksumSHA256></Part>"
        for number, (etag, sha256) in enumerate(parts, 1)
    )
    content = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
    headers = signed(account, "POST", url, {}, hashlib.sha256(content).hexdigest())
    _, said = _ask(Request("POST", url, headers, content=content), attempt)
    if b"<Error>" in said:  # S3 says 200 before it knows
        raise Passing("it did not put the parts together")


def _abort(account: Account, url: Url, attempt: Attempt) -> None:
    try:
        _ask(Request("DELETE", url, signed(account, "DELETE", url, {})), attempt)
    except Trouble:
        pass  # the failure that brought us here is the one to tell of


def _digest(source: Source, start: int, size: int) -> str:
    digest, block, at = hashlib.sha256(), take_block(), start
    while at < start + size:
        count = os.preadv(source.file, [block[: start + size - at]], at)
        digest.update(block[:count])
        at += count
    give_block(block)
    return digest.hexdigest()


def _ask(request: Request, attempt: Attempt) -> tuple[Answer, bytes]:
    asked = exchange.ask(request, attempt)
    try:
        said = asked.read(1 << 16)
    except OSError as error:
        raise exchange.trouble_of(error, attempt) from error
    finally:
        asked.close()
    if asked.answer.status not in (_OK, _NO_CONTENT):
        raise exchange.refusal(asked.answer)
    return asked.answer, said

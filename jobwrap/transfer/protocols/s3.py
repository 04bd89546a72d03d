"""s3://bucket/key with credentials, by AWS Signature Version 4; a presigned URL is plain https:.

Endpoint, region and keys come from where every S3 client takes them: the variables AWS_…, then the profile
in the shared credentials file. Uploads carry their sha256, which the server checks.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import os
import re
import time
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from jobwrap.transfer import exchange
from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.protocols import dav, http
from jobwrap.transfer.sink import Sink
from jobwrap.transfer.source import Source
from jobwrap.transfer.trouble import DENIED, NOT_FOUND, UNREACHABLE, Trouble
from jobwrap.transfer.url import Url

_EMPTY = hashlib.sha256(b"").hexdigest()
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LARGEST_PUT = 5 << 30  # of one request, by the S3 API
Headers = list[tuple[str, str]]


class Account(NamedTuple):
    """Who asks, and where."""

    key: str
    secret: str
    session: str
    region: str
    endpoint: str


def get(place: str, sink: Sink, attempt: Attempt) -> None:
    account, url = _find(place)
    http.get_from(url, sink, attempt, signed(account, "GET", url, {"x-amz-checksum-mode": "ENABLED"}))


def probe(place: str, attempt: Attempt) -> None:
    account, url = _find(place)
    http.probe_at(url, attempt, signed(account, "GET", url, {}))


def put(source: Source, place: str, attempt: Attempt) -> None:
    if source.size > _LARGEST_PUT:
        raise Trouble(UNREACHABLE, "a file of more than 5 GiB cannot be put to S3 in one piece")
    account, url = _find(place)
    sha256 = source.digest("sha256", attempt)
    checksum = binascii.b2a_base64(bytes.fromhex(sha256), newline=False).decode()
    headers = signed(account, "PUT", url, {"x-amz-checksum-sha256": checksum}, sha256)
    dav.put_whole(
        url, source, attempt, headers, signed(account, "HEAD", url, {"x-amz-checksum-mode": "ENABLED"})
    )


def _find(place: str) -> tuple[Account, Url]:
    """The URL of the object: below its bucket's own host name on AWS, below the endpoint elsewhere."""
    bucket, _, key = place[len("s3://") :].partition("/")
    if not _BUCKET.fullmatch(bucket) or not key:
        raise Trouble(NOT_FOUND, "an s3: URL is s3://bucket/key")
    account = _account(os.environ)
    path = "/" + quote(key, safe="/-_.~")
    if account.endpoint:
        base = exchange.parsed(account.endpoint)
        return account, base._replace(path=f"{base.path.rstrip('/')}/{bucket}{path}")
    host = f"s3.{account.region}.amazonaws.com"
    if "." in bucket:  # its name would not match the certificate
        return account, Url("https", "", host, None, f"/{bucket}{path}", "")
    return account, Url("https", "", f"{bucket}.{host}", None, path, "")


def _account(environ: Mapping[str, str]) -> Account:
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or ""
    key, secret = environ.get("AWS_ACCESS_KEY_ID", ""), environ.get("AWS_SECRET_ACCESS_KEY", "")
    session = environ.get("AWS_SESSION_TOKEN", "")
    if not (key and secret):
        key, secret, session = _from_file(environ)
    return Account(key, secret, session, region, endpoint)


def _from_file(environ: Mapping[str, str]) -> tuple[str, str, str]:
    import configparser

    path = environ.get("AWS_SHARED_CREDENTIALS_FILE") or os.path.expanduser("~/.aws/credentials")
    profiles = configparser.RawConfigParser()
    try:
        profiles.read(path)
        profile = profiles[environ.get("AWS_PROFILE", "default")]
        return (
            profile["aws_access_key_id"],
            profile["aws_secret_access_key"],
            profile.get("aws_session_token", ""),
        )
    except (configparser.Error, KeyError, OSError, UnicodeDecodeError):
        raise Trouble(DENIED, f"it takes AWS_ACCESS_KEY_ID and its secret, or a profile in {path}") from None


def signed(
    account: Account, method: str, url: Url, headers: Mapping[str, str], payload: str = _EMPTY
) -> Headers:
    """`headers` and those that sign the request; payload is the sha256 of its body.

    Source: AWS, "Create a signed AWS API request" (Signature Version 4).
    """
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    sent = {**headers, "x-amz-content-sha256": payload, "x-amz-date": now}
    if account.session:
        sent["x-amz-security-token"] = account.session
    covered = dict(sorted({**sent, "host": url.authority}.items()))
    names = ";".join(covered)
    lines = [
        method,
        url.path,
        url.query,
        *(f"{name}:{value}" for name, value in covered.items()),
        "",
        names,
        payload,
    ]
    scope = f"{now[:8]}/{account.region}/s3/aws4_request"
    request = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    signature = _sign(account, scope, f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{request}")
    credential = f"AWS4-HMAC-SHA256 Credential={account.key}/{scope}"
    return [*sent.items(), ("Authorization", f"{credential}, SignedHeaders={names}, Signature={signature}")]


def _sign(account: Account, scope: str, text: str) -> str:
    key = f"AWS4{account.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()

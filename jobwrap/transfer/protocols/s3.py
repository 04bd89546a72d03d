"""s3://bucket/key with credentials, by AWS Signature Version 4; a presigned URL is plain https:.

Endpoint, region and keys come from where every S3 client takes them: the variables AWS_…, then the profile
in the shared credentials file. Uploads carry their sha256, which the server checks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import quote

from jobwrap.transfer import exchange
from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.protocols import dav, http, s3parts
from jobwrap.transfer.protocols.s3sign import Account, in_base64, signed
from jobwrap.transfer.sink import Sink
from jobwrap.transfer.source import Source
from jobwrap.transfer.trouble import DENIED, NOT_FOUND, Trouble
from jobwrap.transfer.url import Url

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
LARGEST = 5 << 30  # of one PUT, by the S3 API


def get(place: str, sink: Sink, attempt: Attempt) -> None:
    account, url = _find(place)
    http.get_from(url, sink, attempt, signed(account, "GET", url, {"x-amz-checksum-mode": "ENABLED"}))


def probe(place: str, attempt: Attempt) -> None:
    account, url = _find(place)
    http.probe_at(url, attempt, signed(account, "GET", url, {}))


def put(source: Source, place: str, attempt: Attempt) -> None:
    account, url = _find(place)
    asking = signed(account, "HEAD", url, {"x-amz-checksum-mode": "ENABLED"})
    if source.size > LARGEST:
        s3parts.put(account, url, source, attempt)
        dav.check(url, source, attempt, asking)
        return
    sha256 = source.digest("sha256", attempt)
    headers = signed(account, "PUT", url, {"x-amz-checksum-sha256": in_base64(sha256)}, sha256)
    dav.put_whole(url, source, attempt, headers, asking)


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

"""AWS Signature Version 4, as S3 wants it. Source: AWS, "Create a signed AWS API request"."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import NamedTuple

from jobwrap.transfer.url import Url

EMPTY = hashlib.sha256(b"").hexdigest()
Headers = list[tuple[str, str]]


class Account(NamedTuple):
    """Who asks, and where."""

    key: str
    secret: str
    session: str
    region: str
    endpoint: str


def signed(
    account: Account, method: str, url: Url, headers: Mapping[str, str], payload: str = EMPTY
) -> Headers:
    """`headers` and those that sign the request; payload is the sha256 of its body.

    The query of `url` must be sorted and percent-encoded, its path percent-encoded.
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


def in_base64(digest: str) -> str:
    """A hex digest as S3's checksum headers have it."""
    return binascii.b2a_base64(bytes.fromhex(digest), newline=False).decode()

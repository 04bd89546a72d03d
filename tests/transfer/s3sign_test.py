"""Signatures of S3 requests, against AWS's own example and its own library."""

import re
import time

import pytest

from jobwrap.transfer.protocols.s3sign import Account, signed
from jobwrap.transfer.url import parse

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
ACCOUNT = Account("AKIAIOSFODNN7EXAMPLE", SECRET, "", "us-east-1", "")


@pytest.fixture(autouse=True)
def day_of_the_example(monkeypatch):
    moment = time.strptime("20130524T000000Z", "%Y%m%dT%H%M%SZ")
    monkeypatch.setattr(time, "gmtime", lambda *_: moment)


def signature(headers):
    return re.search("Signature=([0-9a-f]{64})", dict(headers)["Authorization"])[1]


def test_the_documented_example_has_its_documented_signature():
    url = parse("https://examplebucket.s3.amazonaws.com/test.txt")
    headers = signed(ACCOUNT, "GET", url, {"range": "bytes=0-9"})
    assert signature(headers) == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"


@pytest.mark.node
@pytest.mark.parametrize("session", ["", "a/session+token=="])
@pytest.mark.parametrize(
    ("method", "place"),
    [
        ("GET", "http://localhost:9000/data/a%20file%2B1"),
        ("PUT", "https://bucket.s3.eu-west-1.amazonaws.com/x?partNumber=2&uploadId=a.b_c-d~e"),
        ("POST", "https://bucket.s3.eu-west-1.amazonaws.com/x?uploads="),
    ],
)
def test_botocore_signs_the_same_request_the_same_way(method, place, session):
    from botocore.auth import S3SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    account = ACCOUNT._replace(session=session, region="eu-west-1")
    ours = signed(account, method, parse(place), {"x-amz-checksum-sha256": "abc="})
    theirs = AWSRequest(method=method, url=place, headers={"x-amz-checksum-sha256": "abc="})
    theirs.context["payload_signing_enabled"] = True
    theirs.context["timestamp"] = "20130524T000000Z"
    auth = S3SigV4Auth(Credentials(account.key, account.secret, session or None), "s3", "eu-west-1")
    auth._modify_request_before_signing(theirs)
    signature_of = auth.signature(auth.string_to_sign(theirs, auth.canonical_request(theirs)), theirs)
    assert signature(ours) == signature_of

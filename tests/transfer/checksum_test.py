"""Checksums: known answers, every way to cut a stream, and what servers say of them."""

import os
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwrap.transfer import checksum, digests
from jobwrap.transfer.hashing import BLOCK, Behind, InLine, hasher
from tests.patient import patient


@pytest.mark.parametrize(("algorithm", "of_nine_digits"), [
    ("crc32c", "e3069283"),
    ("adler32", "091e01de"),
    ("crc32", "cbf43926"),
    ("md5", "25f9e794323b453885f5181f1b624d0b"),
    ("sha1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
    ("sha256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
])  # fmt: skip
def test_the_known_answer_is_given(algorithm, of_nine_digits, tmp_path):
    (tmp_path / "file").write_bytes(b"123456789")
    assert checksum.of_file(str(tmp_path / "file"), algorithm) == of_nine_digits


@patient
@given(st.binary(max_size=3000), st.integers(1, 3000))
def test_crc32c_does_not_depend_on_how_the_stream_is_cut(content, cut):
    whole, parts, slow = (checksum.make("crc32c") for _ in range(3))
    whole.update(memoryview(content))
    for at in range(0, len(content), cut):
        parts.update(memoryview(content)[at : at + cut])
    for at in range(len(content)):  # one byte at a time there are no lanes
        slow.update(memoryview(content)[at : at + 1])
    assert whole.hexdigest() == parts.hexdigest() == slow.hexdigest()


def test_an_adler32_without_its_leading_zeros_is_the_same():
    assert checksum.same("adler32", "0091e01d", "91E01D")
    assert not checksum.same("sha256", "00aa", "aa")


@pytest.mark.parametrize(
    ("written", "name"), [("SHA-256", "sha256"), ("sha_512", "sha512"), ("MD5", "md5"), ("SHA", "sha1")]
)
def test_an_algorithm_has_one_name_however_it_is_written(written, name):
    assert checksum.name_of(written) == name


@pytest.mark.parametrize(("headers", "promised"), [
    ({"repr-digest": "sha-256=:qqo=:, sha-512=:uw==:"}, [("sha256", "aaaa"), ("sha512", "bb")]),
    ({"repr-digest": "adler=:AAAAAQ==:"}, [("adler32", "00000001")]),
    ({"digest": "adler32=03da0195,MD5=qqo="}, [("adler32", "03da0195"), ("md5", "aaaa")]),
    ({"digest": "UNIXsum=30637"}, []),
    ({"repr-digest": "sha-256=:not base64:"}, []),
    ({"x-amz-checksum-sha256": "qqo="}, [("sha256", "aaaa")]),
    ({"x-amz-checksum-sha256": "qqo=-2"}, []),
    ({}, []),
])  # fmt: skip
def test_a_servers_promise_is_read(headers, promised):
    assert digests.promised(headers) == promised


@pytest.mark.parametrize(("etag", "strong"), [('"abc"', '"abc"'), ('W/"abc"', ""), ("abc", ""), ("", "")])
def test_only_a_strong_etag_names_a_version(etag, strong):
    assert digests.strong_etag({"etag": etag}) == strong


@pytest.mark.parametrize("kind", [InLine, Behind])
def test_hashing_in_line_and_behind_come_to_the_same(kind):
    content = os.urandom(3 * BLOCK + 7)
    hashes = kind({"adler32"})
    for at in range(0, len(content), BLOCK):
        piece = content[at : at + BLOCK]
        hashes.space()[: len(piece)] = piece
        hashes.add(len(piece))
    assert hashes.digests() == {"adler32": f"{zlib.adler32(content):08x}"}
    hashes.close()


def test_only_a_long_stream_is_hashed_behind():
    kinds = [
        type(hasher(algorithms, total))
        for algorithms, total in (({"md5"}, 10), ({"md5"}, None), (set(), None))
    ]
    assert kinds == [InLine, Behind, InLine]

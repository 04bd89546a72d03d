"""Fetching from a real nginx."""

import hashlib
import os

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.transfer.fetch import Wanted, fetch_all
from tests.run_test import wait_for

pytestmark = pytest.mark.node


def test_many_files_come_whole_over_a_few_connections(nginx, tmp_path):
    wanted = []
    for index in range(100):
        content = os.urandom(1000 * index)
        (nginx.root / f"file {index}").write_bytes(content)
        checksum = ("sha256", hashlib.sha256(content).hexdigest())
        wanted.append(
            Wanted(str(index), (f"{nginx.url}/file {index}",), checksum, str(tmp_path / str(index)))
        )
    fetched = fetch_all(wanted)
    assert [one.bytes for one in fetched] == [1000 * index for index in range(100)]
    assert len({request.connection for request in nginx.requests()}) <= 8


def test_what_is_not_there_is_asked_for_once(nginx, tmp_path):
    with pytest.raises(JobwrapError, match="404") as raised:
        fetch_all([Wanted("x", (nginx.url + "/none",), None, str(tmp_path / "x"))])
    assert raised.value.failure.name == "input.not_found"
    wait_for(nginx.requests)  # it writes its log after the answer
    assert [request.status for request in nginx.requests()] == [404]

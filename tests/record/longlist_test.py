"""Long lists that are kept as their packed JSON."""

import json

from jobwrap.plainjson import decode, encode
from jobwrap.record.longlist import LongList, written

ENTRIES = [{"name": f"file{number}", "size": number, "says": 'ä "\ud800'} for number in range(1000)]


def test_a_long_list_is_written_as_the_list_that_it_stands_for():
    assert written(LongList(ENTRIES)) == encode(ENTRIES)
    assert written({"a": 1, "b": LongList(ENTRIES)}) == encode({"a": 1, "b": ENTRIES})
    assert written(LongList([])) == "[]"


def test_a_long_list_can_be_walked_along_again_and_again():
    long = LongList(iter(ENTRIES))
    assert list(long) == list(long) == ENTRIES
    assert list(LongList(long)) == ENTRIES


def test_what_is_written_can_be_read_by_others():
    assert json.loads(written(LongList(ENTRIES))) == decode(encode(ENTRIES)) == ENTRIES

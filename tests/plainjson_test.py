"""JSON by the engine alone says what the standard library's package says."""

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as some

from jobwrap.plainjson import decode, encode
from tests.patient import patient

VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
)


@patient
@given(VALUES)
def test_what_is_written_is_what_the_package_writes_and_comes_back(value):
    text = encode(value)
    assert text == json.dumps(value, ensure_ascii=False)
    assert decode(text) == value


@patient
@given(some.text(alphabet='[]{}":,0123456789.eE+-truefalsn \t\n\\u') | some.text())
def test_a_text_is_json_where_the_package_takes_it(text):
    try:
        wanted = json.loads(text)
    except (ValueError, RecursionError) as error:
        with pytest.raises(type(error) if isinstance(error, RecursionError) else ValueError):
            decode(text)
    else:
        assert repr(decode(text)) == repr(wanted)


def test_what_is_no_plain_data_is_refused():
    with pytest.raises(TypeError, match="object is no plain data"):
        encode({"a": object()})


def test_a_python_without_the_engine_takes_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "_json", None)
    assert decode(encode({"a": [1, "ü"]})) == {"a": [1, "ü"]}

"""Words as people write them, and what they mean."""

import pytest

from jobwrap.job import words


@pytest.mark.parametrize(
    ("word", "bytes_"), [("4G", 4 << 30), ("500M", 500 << 20), ("1.5 GiB", 3 << 29), ("2kb", 2048)]
)
def test_a_size_has_a_unit(word, bytes_):
    assert words.size(word) == bytes_


@pytest.mark.parametrize("word", ["4096", "4", "", "G", "-1G", "4X", "nan", True, 4096])
def test_a_size_without_a_unit_is_refused(word):
    with pytest.raises(ValueError, match="unit"):
        words.size(word)


@pytest.mark.parametrize(
    ("word", "seconds"),
    [
        ("90", 90),
        (90, 90),
        ("30m", 1800),
        ("2h", 7200),
        ("1:30:00", 5400),
        ("1:30", 90 * 60),
        ("1-0:00", 86400),
    ],
)
def test_a_time_is_in_seconds(word, seconds):
    assert words.duration(word) == seconds


def test_a_variable_without_a_value_is_the_callers():
    assert words.setting("A=b=c") == ("A", "b=c")
    assert words.setting("A") == ("A", None)


@pytest.mark.parametrize("word", ["A-B=1", "=1", "1A=x", "BASH_FUNC_x%%=() { :; }"])
def test_a_variable_needs_a_name(word):
    with pytest.raises(ValueError, match=r"name|must"):
        words.setting(word)

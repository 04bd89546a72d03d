"""What the shipped file's bytecode has in the place of typing does the same."""

from typing import NamedTuple

import pytest

from jobwrap import standins
from tests.conftest import REPO


class Theirs(NamedTuple):
    first: int
    second: str = "two"

    @property
    def both(self) -> str:
        return f"{self.first}{self.second}"


FACTS = {"_fields": ("first", "second"), "_field_defaults": {"second": "two"}, "both": Theirs.both}
Ours = type("Ours", (standins.NamedTuple,), FACTS)


@pytest.mark.parametrize("kind", [Theirs, Ours])
def test_a_tuple_with_names_is_made_from_places_names_and_defaults(kind):
    assert kind(1) == kind(first=1) == kind(1, second="two") == (1, "two")
    assert (kind(1).first, kind(1).second, kind(1).both) == (1, "two", "1two")
    assert kind(1)._replace(second="2") == kind._make([1, "2"]) == (1, "2")
    assert kind(1)._asdict() == {"first": 1, "second": "two"}
    assert repr(kind(1)) == f"{kind.__name__}(first=1, second='two')"


@pytest.mark.parametrize("kind", [Theirs, Ours])
@pytest.mark.parametrize("given", [((), {}), ((1, 2, 3), {}), ((1,), {"first": 1}), ((1,), {"third": 3})])
def test_a_tuple_with_names_takes_neither_fewer_nor_more_nor_other_fields(kind, given):
    values, named = given
    with pytest.raises(TypeError):
        kind(*values, **named)


@pytest.mark.parametrize("kind", [Theirs, Ours])
def test_a_tuple_with_names_does_not_change(kind):
    with pytest.raises(AttributeError):
        kind(1).first = 2


def test_nothing_of_typing_is_used_that_the_bytecode_would_miss():
    for path in (REPO / "jobwrap").rglob("*.py"):
        assert "import typing" not in path.read_text(), f"{path}: from typing import what it needs"

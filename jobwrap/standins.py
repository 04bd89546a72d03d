"""What the shipped file's bytecode has in the place of typing, and of modules that most launches do not need.

bin/bundle/compile.py puts these names there; the sources know nothing of it.
"""

from __future__ import annotations

from _collections import _tuplegetter  # type: ignore[import-not-found]

# Not typing's own, which takes 3 ms to import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, ClassVar


class Anything:
    """For bytecode, in the place of all that typing has for a type checker."""

    def __init__(self, *_: object) -> None:
        pass

    def __class_getitem__(cls, _: object) -> type[Anything]:
        return cls


class Deferred:
    """A module that is imported when something of it is used."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        module = __import__(self.__name__)
        self.__dict__.update(vars(module))
        return getattr(module, name)


json, re = Deferred("json"), Deferred("re")


class NamedTuple(tuple):  # type: ignore[type-arg]
    """For bytecode, as typing's, whose classes take ten times as long to make; compile.py names fields."""

    __slots__ = ()
    _fields: ClassVar[tuple[str, ...]] = ()
    _field_defaults: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        for place, name in enumerate(cls._fields):
            setattr(cls, name, _tuplegetter(place, ""))

    def __new__(cls, *values: Any, **named: Any) -> NamedTuple:
        left = cls._fields[len(values) :]
        try:
            rest = [named.pop(name) if name in named else cls._field_defaults[name] for name in left]
        except KeyError as error:
            raise TypeError(f"{cls.__name__} lacks {error.args[0]}") from None
        if named or len(values) > len(cls._fields):
            raise TypeError(f"{cls.__name__} has no more fields than {', '.join(cls._fields)}")
        return tuple.__new__(cls, (*values, *rest))

    def _replace(self, **named: Any) -> NamedTuple:
        return type(self)(**{**self._asdict(), **named})

    def _asdict(self) -> dict[str, Any]:
        return dict(zip(self._fields, self))

    @classmethod
    def _make(cls, values: Iterable[Any]) -> NamedTuple:
        return cls(*values)

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())
        return f"{type(self).__name__}({fields})"

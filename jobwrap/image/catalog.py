"""The catalog: names that stand for several images, one for each kind of node, and the default.

    default = "htc/debian:12"

    [image."htc/numpy:2.2.4"]
    variants = [
        { reference = "htc/numpy:2.2.4-v3", level = "x86-64-v3" },
        { reference = "htc/numpy:2.2.4", arch = "x86_64" },
    ]

Only the names in it have variants. It is the site's own, or the one that jobwrap is shipped with.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from jobwrap.image.footprint import footprint
from jobwrap.image.needs import CUDA, GPU, KERNEL, LEVEL, MACHINE, Need
from jobwrap.node.cpu import normalise_level
from jobwrap.plainjson import decode

_COMPILED = os.path.join(os.path.dirname(__file__), "catalog.json")  # in the shipped file
_SOURCE = os.path.join(os.path.dirname(__file__), "../../containers/catalog.toml")
_MACHINES = ("x86_64", "aarch64", "ppc64le", "riscv64", "s390x")
_VENDORS = ("nvidia", "amd")
_DIGITS, _PARTS = 6, 4  # of a version, at most


class Variant(NamedTuple):
    """One image behind a name, and what the catalog says that it needs."""

    reference: str
    needs: tuple[Need, ...] = ()

    def needs_a(self, what: str) -> str:
        """The value of one kind of need, "" where it has none."""
        return next((need.value for need in self.needs if need.what == what), "")


class Entry(NamedTuple):
    """A name of the catalog; without variants it stands for itself."""

    variants: tuple[Variant, ...]
    about: str = ""


class Catalog(NamedTuple):
    """path: where it was read, for sentences; default: a reference, "" for none."""

    path: str
    default: str
    entries: dict[str, Entry]


def load_catalog(path: str = "") -> Catalog:
    """The site's catalog at `path`, else the built-in one; OSError or ValueError where it cannot be used."""
    if path:
        footprint.step(path)
        from jobwrap.job.files import read_table

        return parse_catalog(path, read_table(path))
    try:
        # Not open(): in the shipped file it lies inside a zip.
        compiled = __loader__.get_data(_COMPILED).decode()  # type: ignore[name-defined]
        return parse_catalog("the built-in catalog", decode(compiled))
    except OSError:
        from jobwrap.job.files import read_table

        return parse_catalog("the built-in catalog", read_table(os.path.normpath(_SOURCE)))


def parse_catalog(path: str, table: dict[str, Any]) -> Catalog:
    """The Catalog of a table as TOML and JSON give it; ValueError says what is wrong with it."""
    _only(table, "the catalog", "default", "image")
    default = _text(table.get("default", ""), "default")
    images = table.get("image", {})
    if not isinstance(images, dict):
        raise ValueError("image must be a table of names")
    return Catalog(path, default, {name: _entry(name, value) for name, value in images.items()})


def _entry(name: str, table: Any) -> Entry:
    if not isinstance(table, dict):
        raise ValueError(f"{name} must be a table")
    _only(table, name, "variants", "about")
    variants = table.get("variants", [{"reference": name}])
    if not isinstance(variants, list) or not variants:
        raise ValueError(f"{name} must have a list of variants")
    return Entry(tuple(_variant(name, each) for each in variants), _text(table.get("about", ""), "about"))


def _variant(name: str, table: Any) -> Variant:
    if not isinstance(table, dict):
        raise ValueError(f"a variant of {name} must be a table")
    _only(table, f"a variant of {name}", "reference", *_NEEDS)
    reference = _text(table.get("reference"), f"the reference of a variant of {name}")
    if not reference:
        raise ValueError(f"a variant of {name} must have a reference")
    needs = []
    for key, (what, parse) in _NEEDS.items():
        if key in table:
            value = parse(_text(table[key], key))
            if not value:
                raise ValueError(f"{name}: {key} = {table[key]!r} is not known")
            needs.append(Need(what, value, "as the catalog says"))
    return Variant(reference, tuple(needs))


def _level(text: str) -> str:
    return normalise_level(text) or ""


def _version(text: str) -> str:
    parts = text.split(".")
    numbers = all(part.isascii() and part.isdecimal() and len(part) <= _DIGITS for part in parts)
    return text if numbers and len(parts) <= _PARTS else ""


_NEEDS: dict[str, Any] = {
    "arch": (MACHINE, lambda text: text if text in _MACHINES else ""),
    "level": (LEVEL, _level),
    "kernel": (KERNEL, _version),
    "gpu": (GPU, lambda text: text if text in _VENDORS else ""),
    "cuda": (CUDA, lambda text: f"cuda>={text}" if _version(text) else ""),
}


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"{what} must be a text")
    return value


def _only(table: dict[str, Any], whose: str, *known: str) -> None:
    for key in table:
        if key not in known:
            raise ValueError(f"{whose} has no key {key!r}; it has {', '.join(known)}")

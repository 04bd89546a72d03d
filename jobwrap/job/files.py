"""Read a TOML or JSON file that a person wrote: the job file and the site's settings."""

from __future__ import annotations

import sys
from typing import Any

from jobwrap.plainjson import decode

_MOST = 1 << 20


def read_table(path: str) -> dict[str, Any]:
    """The file's one table; OSError or ValueError where it has none. At most 1 MiB is read.

    JSON where the name ends in .json, else TOML.
    """
    with open(path, "rb") as file:
        return parse_table(file.read(_MOST + 1), path)


def parse_table(content: bytes, name: str) -> dict[str, Any]:
    """The one table of a file of that name; ValueError where it has none."""
    if len(content) > _MOST:
        raise ValueError("it is larger than 1 MiB")
    text = content.decode()
    try:
        table = decode(text) if name.endswith(".json") else _toml(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(table, dict):
        raise ValueError("it must hold one table")
    return table


def _toml(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib  # only where a TOML file is read
    else:
        import tomli as tomllib
    return tomllib.loads(text)

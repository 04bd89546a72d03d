"""The loader's cache of the node: where each of its libraries lies, as `ldconfig -p` lists them.

Source: glibc, sysdeps/generic/dl-cache.h. Only numbers of a little-endian machine are read.
"""

from __future__ import annotations

import struct

PATH = "/etc/ld.so.cache"
_MAGIC = b"glibc-ld.so.cache1.1"  # behind a table of the form before it where ldconfig is old
_COUNT, _HEADER = struct.Struct("<20sI"), 48
_ENTRY = struct.Struct("<iIIIQ")  # flags, name, path, two numbers that do not matter here
_FLAGS = {"x86_64": 0x303, "aarch64": 0xA03}  # of libraries for glibc, by the machine's name
_MOST, _LONGEST = 1 << 22, 4096


def read_cache(machine: str, root: str = "") -> list[tuple[str, str]]:
    """(name, path) of each library for this machine, those to be taken first first; [] where none is told."""
    try:
        with open(f"{root}{PATH}", "rb") as file:
            return parse_cache(file.read(_MOST), machine)
    except OSError:
        return []


def parse_cache(content: bytes, machine: str) -> list[tuple[str, str]]:
    """The same of a cache's bytes."""
    content = content[max(content.find(_MAGIC), 0) :]
    if not content.startswith(_MAGIC) or len(content) < _HEADER:
        return []
    _, count = _COUNT.unpack_from(content)
    count = min(count, (len(content) - _HEADER) // _ENTRY.size)
    found = []
    for flags, name, path, _, _ in _ENTRY.iter_unpack(content[_HEADER : _HEADER + count * _ENTRY.size]):
        if flags == _FLAGS.get(machine):
            found.append((_text(content, name), _text(content, path)))
    return found


def _text(content: bytes, place: int) -> str:
    return content[place : place + _LONGEST].split(b"\0", 1)[0].decode(errors="replace")

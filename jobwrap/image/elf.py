"""What an ELF file says of itself: its machine, loader, the x86 level and the kernel that it needs.

Sources: gABI (ELF header, program headers), x86-64 psABI (GNU property notes), LSB and glibc (ABI
tag, symbol versions). A file is read by `at(offset, size)`, which gives fewer bytes at its end; a
few kilobytes are asked for, and what a hostile file claims about its sizes is never believed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

At = Callable[[int, int], bytes]

_MACHINES = {0x03: "i386", 0x28: "arm", 0x3E: "x86_64", 0xB7: "aarch64", 0xF3: "riscv64", 0x16: "s390x"}
_POWERPC64 = 0x15
_LOAD, _DYNAMIC, _INTERPRETER, _NOTE = 1, 2, 3, 4  # types of program headers
_ABI_TAG, _PROPERTIES = 1, 5  # types of notes named GNU
_ISA_NEEDED = 0xC0008002  # GNU_PROPERTY_X86_ISA_1_NEEDED
_LEVELS = ("x86-64-v1", "x86-64-v2", "x86-64-v3", "x86-64-v4")  # its bits 0 to 3
_STRING_TABLE, _NEEDED = 5, 1  # tags of the dynamic section
_DEFINED, _DEFINED_COUNT, _WANTED, _WANTED_COUNT = 0x6FFFFFFC, 0x6FFFFFFD, 0x6FFFFFFE, 0x6FFFFFFF
_MOST_HEADERS, _MOST_NOTES, _MOST_TAGS, _MOST_VERSIONS = 64, 4096, 512, 1024
_LONGEST_NAME = 256


class Elf(NamedTuple):
    """machine: as uname names it; interpreter: the loader, "" for a static program.

    isa     the bits of "x86 ISA needed", 0 where there is no such note
    kernel  "3.2.0", or "" where there is no ABI tag
    """

    machine: str
    interpreter: str
    isa: int
    kernel: str

    @property
    def level(self) -> str:
        """The x86-64 level needed; "" without a note, a level of its own for a bit yet to be named."""
        unknown = self.isa >> len(_LEVELS) << len(_LEVELS)
        if unknown:
            return f"x86-64-v?({unknown:#x})"
        return _LEVELS[self.isa.bit_length() - 1] if self.isa else ""


class Versions(NamedTuple):
    """Symbol versions: wanted as (library, version), defined as names, of a library or a program."""

    wanted: tuple[tuple[str, str], ...]
    defined: tuple[str, ...]


class _Format(NamedTuple):
    """How this file writes its numbers: "<" or ">", and 64 or 32 bits."""

    order: str
    wide: bool


class _Segment(NamedTuple):
    kind: int
    offset: int
    address: int
    size: int


def read_elf(at: At) -> Elf | None:
    """What the file says, None for one that is no ELF file; ValueError for a broken one."""
    header = _header(at)
    if header is None:
        return None
    form, machine, segments = header
    interpreter, isa, kernel = "", 0, ""
    for segment in segments:
        if segment.kind == _INTERPRETER:
            interpreter = _text(at(segment.offset, min(segment.size, _LONGEST_NAME)))
        if segment.kind == _NOTE:
            notes = at(segment.offset, min(segment.size, _MOST_NOTES))
            for kind, description in _notes(form, notes):
                if kind == _ABI_TAG:
                    kernel = _kernel(form, description) or kernel
                if kind == _PROPERTIES:
                    isa |= _isa(form, description)
    return Elf(machine, interpreter, isa, kernel)


def read_versions(at: At) -> Versions:
    """The symbol versions that a library or program wants and defines; ValueError for a broken one."""
    header = _header(at)
    if header is None:
        raise ValueError("no ELF file")
    form, _, segments = header
    tags = _tags(at, form, segments)
    strings = _offset(segments, tags.get(_STRING_TABLE, 0))

    def name(index: int) -> str:
        return _text(at(strings + index, _LONGEST_NAME))

    wanted, defined = [], []
    for library, version in _wanted(at, form, segments, tags):
        wanted.append((name(library), name(version)))
    for version in _defined(at, form, segments, tags):
        defined.append(name(version))
    return Versions(tuple(wanted), tuple(defined))


def _header(at: At) -> tuple[_Format, str, list[_Segment]] | None:
    start = at(0, 64)
    if start[:4] != b"\x7fELF":
        return None
    if start[4:5] not in (b"\1", b"\2") or start[5:6] not in (b"\1", b"\2"):
        raise ValueError("an ELF file of an unknown class")
    form = _Format("<" if start[5] == 1 else ">", start[4] == 2)  # noqa: PLR2004  # ELFCLASS64
    fields = _unpack(form, "HHIQQQIHHH" if form.wide else "HHIIIIIHHH", start, 16)
    number, table, size, count = fields[1], fields[4], fields[8], fields[9]
    machine = _MACHINES.get(number, f"ELF machine {number}")
    if number == _POWERPC64:
        machine = "ppc64le" if form.order == "<" else "ppc64"
    layout = "IIQQQQQQ" if form.wide else "IIIIIIII"
    count = min(count, _MOST_HEADERS)
    if count and size < struct.calcsize(form.order + layout):
        raise ValueError("an ELF file with program headers of an impossible size")
    headers = at(table, size * count) if count else b""
    segments = []
    for index in range(count):
        values = _unpack(form, layout, headers, index * size)
        kind, offset, address, length = values[0], *values[2:4], values[5]
        if not form.wide:
            offset, address, length = values[1], values[2], values[4]
        segments.append(_Segment(kind, offset, address, length))
    return form, machine, segments


def _notes(form: _Format, block: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, description) of the notes whose owner is GNU; a cut last one ends the walk."""
    place = 0
    while place + 12 <= len(block):
        owner_size, size, kind = _unpack(form, "III", block, place)
        owner = block[place + 12 : place + 12 + owner_size]
        start = place + 12 + _up(owner_size, 4)
        description = block[start : start + size]
        if owner == b"GNU\0" and len(description) == size:
            yield kind, description
        # Notes of the two alignments share a segment only where both are a multiple of 4.
        place = start + _up(size, 4)


def _isa(form: _Format, block: bytes) -> int:
    place, isa = 0, 0
    while place + 8 <= len(block):
        kind, size = _unpack(form, "II", block, place)
        if kind == _ISA_NEEDED and size >= 4 and place + 12 <= len(block):  # noqa: PLR2004  # one word
            isa |= _unpack(form, "I", block, place + 8)[0]
        place += 8 + _up(size, 8 if form.wide else 4)
    return isa


def _kernel(form: _Format, block: bytes) -> str:
    if len(block) < 16 or _unpack(form, "I", block, 0) != (0,):  # noqa: PLR2004  # 0 is Linux, then 3 numbers
        return ""
    return ".".join(map(str, _unpack(form, "III", block, 4)))


def _tags(at: At, form: _Format, segments: list[_Segment]) -> dict[int, int]:
    layout = "QQ" if form.wide else "II"
    step = struct.calcsize(form.order + layout)
    tags: dict[int, int] = {}
    for segment in segments:
        if segment.kind != _DYNAMIC:
            continue
        block = at(segment.offset, min(segment.size, step * _MOST_TAGS))
        for place in range(0, len(block) - step + 1, step):
            tag, value = _unpack(form, layout, block, place)
            if not tag:
                break
            tags.setdefault(tag, value)
    return tags


def _wanted(
    at: At, form: _Format, segments: list[_Segment], tags: dict[int, int]
) -> Iterator[tuple[int, int]]:
    """(library, version) as places in the string table."""
    place = _offset(segments, tags.get(_WANTED, 0))
    left = _MOST_VERSIONS
    for _ in range(min(tags.get(_WANTED_COUNT, 0), _MOST_VERSIONS)):
        _, count, library, first, following = _unpack(form, "HHIII", at(place, 16), 0)
        each = place + first
        for _ in range(min(count, left)):
            _, _, _, version, further = _unpack(form, "IHHII", at(each, 16), 0)
            yield library, version
            each += further
        left -= min(count, left)
        if not following:
            return
        place += following


def _defined(at: At, form: _Format, segments: list[_Segment], tags: dict[int, int]) -> Iterator[int]:
    """The name of each version, as a place in the string table; the first is the file's own."""
    place = _offset(segments, tags.get(_DEFINED, 0))
    for _ in range(min(tags.get(_DEFINED_COUNT, 0), _MOST_VERSIONS)):
        _, _, _, _, _, names, following = _unpack(form, "HHHHIII", at(place, 20), 0)
        yield _unpack(form, "I", at(place + names, 8), 0)[0]
        if not following:
            return
        place += following


def _offset(segments: list[_Segment], address: int) -> int:
    """Where in the file lies what the loader will see at an address."""
    for segment in segments:
        if segment.kind == _LOAD and segment.address <= address < segment.address + segment.size:
            return address - segment.address + segment.offset
    return address


def _unpack(form: _Format, layout: str, block: bytes, place: int) -> tuple[int, ...]:
    try:
        return struct.unpack_from(form.order + layout, block, place)
    except struct.error:
        raise ValueError("a truncated ELF file") from None


def _text(block: bytes) -> str:
    return block.split(b"\0", 1)[0].decode(errors="backslashreplace")


def _up(number: int, step: int) -> int:
    return -(-number // step) * step

"""What a SIF file tells without being mounted: its architecture, its partitions, its labels and variables.

Layout: github.com/sylabs/sif, version 01, little-endian. What the file claims about its sizes is
never believed further than the limits below.
"""

from __future__ import annotations

import json
import struct
from typing import Any, NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.image.elf import At
from jobwrap.image.files import Files
from jobwrap.image.needs import MACHINE, Need, Needs, merged
from jobwrap.image.reading import needs_of_labels, needs_of_variables
from jobwrap.image.scripts import parse_variables

_MAGIC, _MAGIC_AT = b"SIF_MAGIC\0", 32
_HEADER = struct.Struct("<32s10s3s3s16s8q")  # launch line, magic, version, architecture, id, times, table
_DESCRIPTOR = struct.Struct("<i?III3q4q128s384s")
_PARTITION = struct.Struct("<ii3s")
_ARCHITECTURES = {
    b"01": "i386",
    b"02": "x86_64",
    b"03": "arm",
    b"04": "aarch64",
    b"05": "ppc64",
    b"06": "ppc64le",
    b"11": "s390x",
}
_KINDS = {
    0x4001: "definition",
    0x4002: "environment",
    0x4003: "labels",
    0x4004: "partition",
    0x4005: "signature",
    0x4006: "metadata",
    0x4007: "data",
    0x4008: "cryptographic message",
    0x4009: "sbom",
    0x400A: "OCI index",
    0x400B: "OCI blob",
}
_FILE_SYSTEMS = {1: "squashfs", 2: "ext3", 3: "archive", 4: "raw", 5: "encrypted squashfs"}
_PRIMARY = 2
_MOST_DESCRIPTORS, _MOST_METADATA = 256, 1 << 20


class Part(NamedTuple):
    """One object of the file: its kind, where it lies, and for a partition what is in it."""

    kind: str
    offset: int
    size: int
    file_system: str = ""
    primary: bool = False
    machine: str = ""


class Sif(NamedTuple):
    """machine: of the primary partition; id: the file's own UUID in hex; labels and scripts: as the image
    has them in /.singularity.d."""

    machine: str
    id: str
    parts: tuple[Part, ...]
    labels: dict[str, str]
    scripts: dict[str, str]


def needs_of_file(files: Files, path: str, asked: str) -> Needs:
    """What a SIF file says it needs; JobwrapError image.broken for what is none."""
    problems: list[str] = []

    def read(at: At) -> Sif | None:
        if not is_sif(at):
            return None
        try:
            return read_sif(at)
        except ValueError as error:
            problems.append(str(error))
            return None

    sif = files.parse(path, read)
    if sif is None:
        problem = problems[0] if problems else "it is neither a sandbox folder nor a SIF file"
        raise JobwrapError("image.broken", image=asked, problem=problem)
    rows = [Need(MACHINE, sif.machine, "the header of the SIF file")] if sif.machine else []
    rows += needs_of_labels(sif.labels)
    rows += needs_of_variables(parse_variables(sif.scripts.values()))
    return Needs(merged(rows))


def is_sif(at: At) -> bool:
    """Whether a file begins as a SIF file does."""
    return at(_MAGIC_AT, len(_MAGIC)) == _MAGIC


def read_sif(at: At) -> Sif:
    """What the file tells; ValueError for one that is broken or of an unknown version."""
    start = at(0, _HEADER.size)
    if len(start) < _HEADER.size or not is_sif(at):
        raise ValueError("it is no SIF file")
    _, _, version, machine, identity, _, _, free, total, table, _, _, _ = _HEADER.unpack(start)
    if version.rstrip(b"\0") != b"01":
        raise ValueError("it is a SIF file of an unknown version")
    if not (0 <= free <= total and table > 0):
        raise ValueError("its table of contents is broken")
    parts = _read_parts(at, table, min(total, _MOST_DESCRIPTORS))
    primary = next((part for part in parts if part.primary), None)
    if primary is None:
        raise ValueError("it has no primary partition")
    if not at(primary.offset + primary.size - 1, 1):
        raise ValueError("it is shorter than it should be: its transfer was cut off")
    labels, scripts = _metadata(at, parts)
    return Sif(primary.machine or _machine(machine), identity.hex(), parts, labels, scripts)


def _read_parts(at: At, table: int, count: int) -> tuple[Part, ...]:
    block = at(table, count * _DESCRIPTOR.size)
    parts = []
    for place in range(0, len(block) - _DESCRIPTOR.size + 1, _DESCRIPTOR.size):
        kind, used, _, _, _, offset, size, *_, extra = _DESCRIPTOR.unpack_from(block, place)
        if not used:
            continue
        if offset < 0 or size <= 0:
            raise ValueError("its table of contents is broken")
        part = Part(_KINDS.get(kind, f"unknown ({kind:#x})"), offset, size)
        if part.kind == "partition":
            file_system, role, machine = _PARTITION.unpack_from(extra)
            known = _FILE_SYSTEMS.get(file_system, f"unknown ({file_system})")
            part = part._replace(file_system=known, primary=role == _PRIMARY, machine=_machine(machine))
        parts.append(part)
    return tuple(parts)


def _metadata(at: At, parts: tuple[Part, ...]) -> tuple[dict[str, str], dict[str, str]]:
    """Labels and environment scripts, from the JSON that Apptainer and SingularityCE put in."""
    labels: dict[str, str] = {}
    scripts: dict[str, str] = {}
    for part in parts:
        if part.kind not in ("metadata", "labels") or part.size > _MOST_METADATA:
            continue
        try:
            content = json.loads(at(part.offset, part.size))
        except (ValueError, RecursionError):
            continue
        attributes = _inside(content, "data", "attributes")
        labels.update(_texts(content if part.kind == "labels" else attributes.get("labels")))
        scripts.update(_texts(attributes.get("environment")))
    return labels, scripts


def _inside(table: Any, *names: str) -> dict[str, Any]:
    for name in names:
        table = table.get(name) if isinstance(table, dict) else None
    return table if isinstance(table, dict) else {}


def _texts(table: Any) -> dict[str, str]:
    if not isinstance(table, dict):
        return {}
    return {name: value for name, value in table.items() if isinstance(value, str)}


def _machine(code: bytes) -> str:
    return _ARCHITECTURES.get(code.rstrip(b"\0"), "")

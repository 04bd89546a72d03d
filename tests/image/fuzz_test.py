"""Hostile files: an answer or a clear error, never a traceback, never more than 16 MB read.

JOBWRAP_FULL=1 tries 100,000 of each kind; a few hundred are tried in every run.
"""

import json
import random
import struct

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.image.catalog import parse_catalog
from jobwrap.image.elf import read_elf, read_versions
from jobwrap.image.files import Files
from jobwrap.image.ldcache import parse_cache
from jobwrap.image.reading import needs_of_variables, read_release, read_sandbox
from jobwrap.image.reference import parse_reference
from jobwrap.image.scripts import parse_variables
from jobwrap.image.sif import needs_of_file, read_sif
from jobwrap.image.view import view_of
from jobwrap.job.files import read_table
from tests.fuzzing import rounds
from tests.image.making import make_elf, make_image, make_sif

TIMES = rounds(300)
ODD = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 62, (1 << 63) - 1, (1 << 64) - 1)
VERSIONS = {"wanted": (("a", "G_1"), ("b", "G_2")), "defined": ("c", "G_3")}
ELF = make_elf(isa=7, kernel=(3, 2, 0), interpreter="/lib/ld.so", **VERSIONS)
SIF = make_sif(metadata={"labels": {"a": "b"}, "environment": {"x": "export A=1"}})
VARIANT = {"reference": "a/b:1-v3", "level": "x86-64-v3", "cuda": "12.4", "arch": "x86_64"}
CATALOG = {"default": "a/b:1", "image": {"a/b:1": {"about": "x", "variants": [VARIANT]}}}
SCRIPT = b"""#!/bin/sh
export NVIDIA_REQUIRE_CUDA="${NVIDIA_REQUIRE_CUDA:-"cuda>=12.4 brand=x,driver>=470"}"
A='b'
"""


def mutations(seed, kind):
    """TIMES changed copies of some bytes; the same in each run."""
    chance = random.Random(kind)
    for _ in range(TIMES):
        content = bytearray(seed)
        for _ in range(chance.randint(1, 8)):
            place = chance.randrange(len(content) or 1)
            what = chance.randrange(5)
            if what == 0:
                content[place : place + 1] = bytes([chance.randrange(256)])
            elif what == 1:
                size = chance.choice((2, 4, 8))
                number = chance.choice(ODD) % (1 << size * 8)
                content[place : place + size] = number.to_bytes(size, "little")
            elif what == 2:
                del content[place : place + chance.randrange(1, 64)]
            elif what == 3:
                content[place:place] = chance.randbytes(chance.randrange(1, 64))
            else:
                del content[place:]
        yield bytes(content)


@pytest.fixture
def read(tmp_path):
    """Reads a file of that content as an image's file is read, and how much was read."""
    path = tmp_path / "file"

    def read_(content, parser):
        path.write_bytes(content)
        files = Files(view_of(("/", str(tmp_path))))
        most = files.left
        found = files.parse("/file", parser)
        assert 0 <= files.left <= most < 16 << 20
        return found

    return read_


@pytest.mark.parametrize("parser", [read_elf, read_versions])
def test_any_elf_file_is_read_or_passed_over(read, parser):
    for content in mutations(ELF, parser.__name__):
        read(content, parser)


def test_any_loaders_cache_is_read():
    head = b"glibc-ld.so.cache1.1" + (2).to_bytes(4, "little") + bytes(24)
    rows = b"".join(struct.pack("<iIIIQ", 0x303, 96, place, 0, 0) for place in (99, 102))
    for content in mutations(head + rows + b"ab\0/c\0/d\0", "cache"):
        assert len(parse_cache(content, "x86_64")) <= len(content)


def test_an_elf_file_that_claims_the_largest_of_everything_is_read_within_the_limit(read):
    content = bytearray(ELF)
    for place in range(64, 64 + 56 * 5, 8):  # each field of each program header in turn
        for odd in ODD:
            changed = bytes(content[:place]) + odd.to_bytes(8, "little") + bytes(content[place + 8 :])
            read(changed + b"\xff" * 100_000, read_versions)


def test_any_sif_file_is_read_or_refused_in_words(read, tmp_path):
    for content in mutations(SIF, "sif"):
        read(content, read_sif)
        try:
            needs_of_file(Files(view_of(("/", str(tmp_path)))), "/file", "x.sif")
        except JobwrapError as error:
            assert error.failure.name == "image.broken"


@pytest.mark.parametrize("suffix", [".json", ".toml"])
def test_any_catalog_is_read_or_refused_in_words(tmp_path, suffix):
    path = tmp_path / f"catalog{suffix}"
    seed = json.dumps(CATALOG) if suffix == ".json" else toml(CATALOG)
    read = 0
    for content in mutations(seed.encode(), suffix):
        path.write_bytes(content)
        try:
            parse_catalog(str(path), read_table(str(path)))
            read += 1
        except ValueError as error:
            assert str(error)
    assert read  # some were changed so little that they are catalogs still


def toml(table):
    lines = [f'default = "{table["default"]}"']
    for name, entry in table["image"].items():
        lines += [f'[image."{name}"]', f'about = "{entry["about"]}"']
        rows = [", ".join(f'{key} = "{value}"' for key, value in each.items()) for each in entry["variants"]]
        lines.append("variants = [" + ", ".join(f"{{{row}}}" for row in rows) + "]")
    return "\n".join(lines)


def test_any_script_release_and_reference_is_read_or_refused_in_words():
    for content in mutations(SCRIPT, "script"):
        needs_of_variables(parse_variables([content.decode(errors="replace")]))
    for content in mutations(b'ID="almalinux"\nVERSION_ID="10.1"\n', "release"):
        read_release(content.decode(errors="replace"))
    for content in mutations(b"docker://host.example.org:5000/a/b:1.2@sha256:" + b"0" * 64, "reference"):
        try:
            parse_reference(content.decode(errors="replace"), "/here")
        except JobwrapError as error:
            assert error.failure.name == "image.unsupported"


def test_any_image_is_read(tmp_path):
    """The files of a whole image changed at once, a tenth as often."""
    root = make_image(tmp_path, level="v3", os='ID=rocky\nVERSION_ID="9.4"\n', env=SCRIPT.decode())
    files = [path for path in root.rglob("*") if path.is_file()]
    for number, path in enumerate(files):
        for content in list(mutations(path.read_bytes() or b"x", number))[: TIMES // 10]:
            path.write_bytes(content)
            read_sandbox(Files(view_of(("/", str(root)))))

"""Writes the shipped file: pack.py WHEELS NODES FILE

    lines of /bin/sh      find the newest Python and start it        header.sh.in
    a zip, its entries stored as they are, of
        __main__.py       reads one of the next and goes on          main.py.in
        data              what each launch needs beside modules: zlib of marshal of (data, digests)
        cpython-39 …      and the modules, for each Python: zlib of marshal of (the first ones, which part
                          has which others, how long each part is), and behind it the parts, each zlib of
                          its modules
        source            the same for any other Python, which compiles what it imports
        later-1 …         the modules that most launches need, once the container is starting; for a few
                          Pythons together: lzma of marshal of, for each, marshal of a dict: path inside →
                          its bytecode
        jobwrap.xz        jobwrap's sources, and bytecode of what no launch needs
        requests.xz …     a group for each package
        licences.xz

A group is lzma of marshal of a dict: path inside → data, or a module's forms: its source, then its
bytecode for each Python. Side by side, the forms take half of what they would take apart.
jobwrap/bundle.py reads all this.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import marshal
import os
import re
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import contents  # noqa: E402
from pythons import Python, pythons_at_hand  # noqa: E402

from jobwrap import __version__  # noqa: E402
from jobwrap.failures import FAILURES  # noqa: E402

Files = dict[str, bytes]
BUNDLE = "jobwrap/bundle.py"
NO_PYTHON = FAILURES["site.no_python"]
# The Pythons since this one have a bytecode of their own kind: only with these it packs well.
NEW_KIND = (3, 11)


def main(wheels: str, nodes: str, target: str) -> None:
    pythons = pythons_at_hand(Path(nodes))
    own = contents.own()
    packages = contents.third_party(Path(wheels), own)
    whole = shipped_file(pythons, own, packages, contents.licences(Path(wheels)))
    path = Path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_bytes(whole)
    new.chmod(0o755)
    new.replace(path)
    versions = ", ".join(".".join(map(str, python.version)) for python in pythons)
    print(f"{target}: {len(whole) / 1e6:.2f} MB, bytecode for Python {versions}")


def shipped_file(pythons: list[Python], own: Files, packages: dict[str, Files], licences: bytes) -> bytes:
    """The bytes of the file; they depend on the arguments alone."""
    modules = {path: content for path, content in own.items() if path.endswith(".py")}
    data = {path: content for path, content in own.items() if re.search(contents.LAUNCH_DATA, path)}
    launch = {path: modules[path] for path in contents.launch_modules(modules)}
    parts = [{path: launch[path] for path in part} for part in contents.parts(launch)]
    later = {path: launch[path] for path in launch if not any(path in part for part in parts)}
    packages = {"jobwrap": {path: own[path] for path in own if path not in data}, **packages}
    apart = {path: content for files in packages.values() for path, content in files.items()}
    apart = {path: apart[path] for path in apart if contents.has_bytecode(path) and path not in launch}
    compiled = [python.compile({**apart, **later}, parts) for python in pythons]
    codes = [code for code, _ in compiled]

    of_apart = [{path: code[path] for path in apart} for code in codes]
    groups = {name: group(packages[name], of_apart) for name in sorted(packages)}
    digests = {name: hashlib.sha256(stored).digest() for name, stored in groups.items()}
    entries = {"data": zlib.compress(plain((data, digests)), 9)}
    entries.update({python.name: start(parts, blobs) for python, (_, blobs) in zip(pythons, compiled)})
    source = plain({BUNDLE: contents.bare(launch[BUNDLE])})
    entries["source"] = start([{}], [source])
    for name, members in kinds(pythons).items():
        together = tuple(plain({path: codes[pythons.index(one)][path] for path in later}) for one in members)
        entries[name] = xz(plain(together))
    entries.update({f"{name}.xz": stored for name, stored in groups.items()})
    return lay_out(pythons, {**entries, "licences.xz": xz(licences)})


def kinds(pythons: list[Python]) -> dict[str, list[Python]]:
    """The Pythons whose bytecode goes into one entry, by its name; one that has none is left out."""
    old = [python for python in pythons if python.version < NEW_KIND]
    new = [python for python in pythons if python.version >= NEW_KIND]
    return {f"later-{number}": members for number, members in enumerate((old, new), 1) if members}


def group(files: Files, codes: list[Files]) -> bytes:
    """One package: path → data, or a module's source and its bytecode for each Python, if it has any."""
    forms: dict[str, object] = {}
    for path, content in files.items():
        compiled = tuple(code[path] for code in codes if path in code)
        forms[path] = (contents.bare(content), *compiled) if path.endswith(".py") else content
    return xz(plain(forms))


def xz(content: bytes) -> bytes:
    """As small as it gets; pb and lc are for what has no words of four bytes."""
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "lc": 4, "pb": 0}]
    return lzma.compress(content, filters=filters)


def start(parts: list[Files], blobs: list[bytes]) -> bytes:
    """What is read at the start; the bytecode of each part comes from the Python that will read it."""
    packed = [zlib.compress(blob, 9) for blob in blobs[1:]]
    place = {path: number for number, part in enumerate(parts[1:]) for path in part}
    head = plain((blobs[0], place, tuple(map(len, packed))))
    return b"".join((zlib.compress(head, 9), *packed))


def plain(value: Any) -> bytes:
    """Version 2 of the format has no references between objects: the bytes depend on the value alone."""
    return marshal.dumps(value, 2)


def lay_out(pythons: list[Python], entries: Files) -> bytes:
    """Head and zip. The places that the head names are known once it is laid out, and of one width."""
    places = {name: (0, 0) for name in ("__main__.py", *entries)}
    for _ in range(2):
        head = header(pythons, places["__main__.py"])
        whole, places = archive(head, {"__main__.py": main_py(pythons, places), **entries})
    return whole


def header(pythons: list[Python], place: tuple[int, int]) -> bytes:
    """Python versions go in the order in which they are wanted: with bytecode, then newer ones."""
    known = [python.version[1] for python in reversed(pythons)]
    newer = range(known[0] + 5, known[0], -1)
    return fill(
        "header.sh.in",
        VERSION=__version__,
        VERSIONS=":".join(f"3.{minor}" for minor in (*known, *newer)),
        SENTENCE=NO_PYTHON.sentence.format(found="${found:-none}"),
        CODE=NO_PYTHON.code,
        OFFSET=f"{place[0]:5}",
        SIZE=f"{place[1]:5}",
    )


def main_py(pythons: list[Python], places: dict[str, tuple[int, int]]) -> bytes:
    rows = [f"    b'': ({_place(places['source'])}, 0, {_place((0, 0))}, 0),  # source"]
    for later, members in kinds(pythons).items():
        for column, python in enumerate(members):
            first = f"{_place(places[python.name])}, {pythons.index(python) + 1}"
            rows.append(
                f"    {python.magic!r}: ({first}, {_place(places[later])}, {column}),  # {python.name}"
            )
    return fill(
        "main.py.in",
        SENTENCE=NO_PYTHON.sentence.format(found="%s"),
        CODE=NO_PYTHON.code,
        DATA=_place(places["data"]),
        STARTS="\n".join(rows),
    )


def _place(place: tuple[int, int]) -> str:
    return "{:7}, {:7}".format(*place)


def fill(template: str, **words: object) -> bytes:
    return re.sub("@([A-Z]+)@", lambda match: str(words[match[1]]), (HERE / template).read_text()).encode()


def archive(head: bytes, entries: Files) -> tuple[bytes, dict[str, tuple[int, int]]]:
    """A zip after `head`, and where the content of each entry is: (offset, size)."""
    file = io.BytesIO()
    file.write(head)
    places = {}
    with zipfile.ZipFile(file, "w") as written:
        for name, content in entries.items():
            info = zipfile.ZipInfo(name)  # its date is 1980 unless one is given
            info.create_system, info.external_attr = 3, 0o100644 << 16
            written.writestr(info, content)
            places[name] = (file.tell() - len(content), len(content))
    return file.getvalue(), places


if __name__ == "__main__":
    main(*sys.argv[1:])

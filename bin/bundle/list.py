"""Lists what is in a shipped file: list.py FILE

Each entry with its size as it is stored, and below it the files in it with theirs before compression:
a module's source, and its bytecode for each Python that it has some for.
"""

from __future__ import annotations

import lzma
import marshal
import os
import signal
import sys
import zipfile
import zlib
from collections.abc import Iterator


def main(path: str) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    for name, stored in entries.items():
        print(f"{len(stored):9,}  {name}")
        for inside, sizes in files(name, stored):
            print(f"{'':11}{inside:46}{' '.join(f'{size:9,}' for size in sizes)}")
    print(f"{os.path.getsize(path):9,}  {path}")


def files(name: str, stored: bytes) -> Iterator[tuple[str, list[int]]]:
    """The files in one entry, and the sizes of their forms."""
    if name == "data":
        data, _ = marshal.loads(zlib.decompress(stored))
        yield from ((inside, [len(content)]) for inside, content in data.items())
    elif name.startswith(("cpython-", "source")):
        unpacker = zlib.decompressobj()
        modules, place, _ = marshal.loads(unpacker.decompress(stored))
        # Bytecode is readable only by its own Python.
        yield "what each launch begins with", [len(modules)]
        for number in sorted(set(place.values())):
            rest, unpacker = unpacker.unused_data, zlib.decompressobj()
            inside = [path for path in place if place[path] == number]
            yield f"{inside[0]} and {len(inside) - 1} more", [len(unpacker.decompress(rest))]
    elif name.startswith("later-"):
        modules = [marshal.loads(each) for each in marshal.loads(lzma.decompress(stored))]
        yield from ((inside, [len(each[inside]) for each in modules]) for inside in modules[0])
    elif name not in ("__main__.py", "licences.xz"):
        for inside, forms in marshal.loads(lzma.decompress(stored)).items():
            yield inside, [len(form) for form in (forms if isinstance(forms, tuple) else (forms,))]


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # for `| head`
    main(*sys.argv[1:])

"""Long lists of a record, such as its transfers: kept small while the task runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from jobwrap.plainjson import decode, encode

_AT_ONCE = 128  # entries


class LongList:
    """A list of plain data that is kept as its packed JSON, a small part of what its objects take.

    Only a few of its entries are objects at a time, also while it is made.
    """

    def __init__(self, entries: Iterable[Any]) -> None:
        from itertools import islice
        from zlib import compress

        self._packed: list[bytes] = []
        left = iter(entries)
        while some := list(islice(left, _AT_ONCE)):
            self._packed.append(compress(encode(some)[1:-1].encode(errors="surrogatepass"), 1))

    def __iter__(self) -> Iterator[Any]:
        for part in self._parts():
            yield from decode(f"[{part}]")

    def text(self) -> str:
        """Its JSON."""
        return f"[{', '.join(self._parts())}]"

    def _parts(self) -> Iterator[str]:
        from zlib import decompress

        for each in self._packed:
            yield decompress(each).decode(errors="surrogatepass")


def written(value: Any) -> str:
    """The JSON of plain data; at its top, or in a dict there, LongList may stand for a list."""
    if isinstance(value, LongList):
        return value.text()
    if isinstance(value, dict) and any(isinstance(each, LongList) for each in value.values()):
        return f"{{{', '.join(f'{encode(name)}: {written(each)}' for name, each in value.items())}}}"
    return encode(value)

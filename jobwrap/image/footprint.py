"""The last path that a probe's child touched: when it hangs, this is where.

The child of a probe is forked, so one anonymous page is shared with it.
"""

from __future__ import annotations

import mmap

_SIZE = 8192  # twice the longest path


class Footprint:
    """One page: the child steps, the parent looks where it stands."""

    def __init__(self) -> None:
        self._page: mmap.mmap | None = None

    def lay(self) -> None:
        """Before the fork."""
        self._page = mmap.mmap(-1, _SIZE)

    def step(self, path: str) -> None:
        """Right before `path` is touched."""
        if self._page is not None:
            name = path.encode(errors="surrogateescape")[: _SIZE - 1] + b"\0"
            self._page[: len(name)] = name

    def last(self) -> str:
        """The path touched last, "" where there was none."""
        if self._page is None:
            return ""
        return self._page[:].split(b"\0", 1)[0].decode(errors="surrogateescape")


footprint = Footprint()

"""Hash a stream as it comes: in line, or behind it in a thread of its own."""

from __future__ import annotations

from collections.abc import Iterable
from mmap import mmap
from queue import SimpleQueue

from jobwrap.transfer import checksum
from jobwrap.transfer.threads import Thread

BLOCK = 1 << 20
# What is longer is hashed in a thread: hashlib lets go of the interpreter, so receiving goes on meanwhile.
_LONG = 16 * BLOCK
_BLOCKS_AHEAD = 4

_spare: list[memoryview] = []


def take_block() -> memoryview:
    """A block to receive into. Used again and again: fresh memory costs more than what is put there.

    It begins where a page does, as what comes from a server's page cache and goes into ours: copies between
    other places took up to a sixth more CPU for all of a transfer.
    """
    try:
        return _spare.pop()
    except IndexError:
        return memoryview(mmap(-1, BLOCK))


def give_block(block: memoryview) -> None:
    _spare.append(block)


class InLine:
    """One block; add() hashes it at once."""

    def __init__(self, algorithms: Iterable[str], total: int | None = None) -> None:
        self._hashes = {name: checksum.make(name, total) for name in algorithms}
        self._block = take_block()

    def space(self) -> memoryview:
        """A block that nobody reads any more."""
        return self._block

    def add(self, count: int) -> None:
        """The first `count` bytes of the last space() are the stream's next ones."""
        for one in self._hashes.values():
            one.update(self._block[:count])

    def digests(self) -> dict[str, str]:
        """By algorithm, in hex, of all that was added."""
        return {name: one.hexdigest() for name, one in self._hashes.items()}

    def close(self) -> None:
        give_block(self._block)


class Behind(InLine):
    """Blocks in turn: one is received into while a thread hashes those before it."""

    def __init__(self, algorithms: Iterable[str]) -> None:
        super().__init__(algorithms)
        self._free: SimpleQueue[memoryview] = SimpleQueue()
        self._full: SimpleQueue[tuple[memoryview, int] | None] = SimpleQueue()
        for _ in range(_BLOCKS_AHEAD - 1):
            self._free.put(take_block())
        self._thread: Thread | None = Thread(self._work)

    def add(self, count: int) -> None:
        self._full.put((self._block, count))
        self._block = self._free.get()

    def _work(self) -> None:
        while (one := self._full.get()) is not None:
            block, count = one
            for digest in self._hashes.values():
                digest.update(block[:count])
            self._free.put(block)

    def digests(self) -> dict[str, str]:
        self._finish()
        return super().digests()

    def _finish(self) -> None:
        if self._thread:
            self._full.put(None)
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        self._finish()
        super().close()
        while not self._free.empty():
            give_block(self._free.get())


def hasher(algorithms: Iterable[str], total: int | None) -> InLine:
    """For a stream of `total` bytes, None where that is not known."""
    short = total is not None and total < _LONG
    return InLine(algorithms, total) if short or not algorithms else Behind(algorithms)

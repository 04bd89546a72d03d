"""The file that is delivered: read where it lies, hashed when someone asks what it should be there."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from jobwrap.transfer import checksum
from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.hashing import give_block, take_block
from jobwrap.transfer.trouble import SCRATCH, Trouble


class Source:
    """An open file, never read by way of its path or its position, so that several may read it.

    opened  opens it for a with block: of thousands on their way only a few are open at once
    aside   the name that it may have at its destination until it is whole there
    known   (algorithm, hex digest) if that was worked out before
    also    algorithms that will be asked for, too: all are worked out in one reading
    """

    def __init__(
        self,
        opened: Callable[[], int],
        aside: str,
        known: tuple[str, str] | None = None,
        also: Sequence[str] = (),
    ) -> None:
        self._open, self.aside, self._also = opened, aside, also
        self._digests = dict([known]) if known else {}

    def __enter__(self) -> Source:
        self.file = self._open()
        self.size = os.fstat(self.file).st_size
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.file)

    def digest(self, algorithm: str, attempt: Attempt | None = None) -> str:
        """The hex digest of all of it, worked out once. `attempt` can end it early."""
        if algorithm not in self._digests:
            if attempt:
                attempt.streaming()  # a large file takes longer than any answer may
            self._read({algorithm, *self._also} - self._digests.keys(), attempt)
        return self._digests[algorithm]

    def _read(self, algorithms: set[str], attempt: Attempt | None) -> None:
        made = {name: checksum.make(name, self.size) for name in algorithms}
        block = take_block()
        at = 0
        try:
            while count := os.preadv(self.file, [block], at):
                for one in made.values():
                    one.update(block[:count])
                at += count
                if attempt:
                    attempt.count_hashed(count)
        except OSError as error:
            raise Trouble(SCRATCH, f"it cannot be read: {error.strerror}") from error
        finally:
            give_block(block)
        self._digests.update({name: one.hexdigest() for name, one in made.items()})

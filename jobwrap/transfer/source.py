"""The file that is delivered: read where it lies, hashed when someone asks what it should be there."""

from __future__ import annotations

import os

from jobwrap.transfer import checksum
from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.hashing import give_block, take_block


class Source:
    """An open file, never read by way of its path or its position, so that several may read it.

    aside is the name that it may have at its destination until it is whole there.
    """

    def __init__(self, file: int, aside: str, known: tuple[str, str] | None = None) -> None:
        self.file, self.aside = file, aside
        self.size = os.fstat(file).st_size
        self._digests = dict([known]) if known else {}

    def digest(self, algorithm: str, attempt: Attempt | None = None) -> str:
        """The hex digest of all of it, worked out once. `attempt` can end it early."""
        if algorithm not in self._digests:
            made = checksum.make(algorithm)
            block = take_block()
            at = 0
            while count := os.preadv(self.file, [block], at):
                made.update(block[:count])
                at += count
                if attempt:
                    attempt.count(count)
            give_block(block)
            self._digests[algorithm] = made.hexdigest()
        return self._digests[algorithm]

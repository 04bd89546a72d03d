"""A word from a probe ahead of its answer, and a descriptor with it.

A probe keeps none of jobwrap's descriptors but the end that it tells by: one that hangs holds nothing up.
"""

from __future__ import annotations

import marshal
import select
import sys

# Not the module socket, which takes 8 ms to import.
from _socket import AF_UNIX, CMSG_SPACE, MSG_CMSG_CLOEXEC, SCM_RIGHTS, SOCK_SEQPACKET, SOL_SOCKET, socketpair
from typing import Any

_DESCRIPTOR = 4  # bytes of a C int, which is what a descriptor is
_LONGEST = 64 << 10  # bytes of a word: the system takes three times as many in one message


class EarlyWord:
    """Made before the probe is: the probe tells, its asker hears.

    mouth  the descriptor that the probe has to keep
    told   in the probe: whether there was a word
    """

    def __init__(self) -> None:
        self._ear, self._mouth = socketpair(AF_UNIX, SOCK_SEQPACKET)
        self.mouth: int = self._mouth.fileno()
        self.told = False

    def tell(self, word: Any, descriptor: int = -1) -> None:
        """Plain data that marshal takes, and a descriptor to hand over. The first word is the only one."""
        blob = b"" if self.told else marshal.dumps(word)
        self.told = True
        if 0 < len(blob) <= _LONGEST:
            handed = [descriptor.to_bytes(_DESCRIPTOR, sys.byteorder)] if descriptor >= 0 else []
            self._mouth.sendmsg([blob], [(SOL_SOCKET, SCM_RIGHTS, each) for each in handed])

    def begun(self) -> None:
        """In the asker, once there is a probe: only that can tell from now on."""
        self._mouth.close()

    def hear(self, seconds: float) -> tuple[Any, int]:
        """The word and the descriptor, which is the caller's to close. Asked once.

        (None, -1) where the probe ends, or `seconds` do, without a word; -1 where no descriptor came.
        """
        poll = select.poll()
        poll.register(self._ear.fileno(), select.POLLIN)
        try:
            if not poll.poll(max(0, seconds) * 1000):
                return None, -1
            blob, ancillary, _, _ = self._ear.recvmsg(_LONGEST, CMSG_SPACE(_DESCRIPTOR), MSG_CMSG_CLOEXEC)
        finally:
            self.close()
        handed = [int.from_bytes(data[:_DESCRIPTOR], sys.byteorder) for _, _, data in ancillary]
        return marshal.loads(blob) if blob else None, handed[0] if handed else -1

    def close(self) -> None:
        """In the asker: nobody wants to know any more."""
        self._ear.close()

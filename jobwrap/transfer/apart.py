"""A process of its own for work that needs threads, modules and memory which the wrapper must not keep.

The child holds none of our descriptors, sends messages of plain data (what marshal takes), and ends
with us: it is told to by the end of a pipe, however we end. It leads a process group, so that what it
starts goes with it.
"""

from __future__ import annotations

import marshal
import os
import select
import signal
import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

_LENGTH = struct.Struct("@I")


class Child:
    """A forked process that runs main(link, *args) and nothing after it.

    It has none of our descriptors but those in `keep`, by the same numbers.
    """

    def __init__(self, main: Callable[..., None], *args: object, keep: tuple[int, ...] = ()) -> None:
        self._messages, give = os.pipe()
        alive, self._life = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            _live(main, args, keep, Link(give, alive))
        os.close(give)
        os.close(alive)
        self._got = b""
        self._poll = select.poll()
        self._poll.register(self._messages, select.POLLIN)

    def fileno(self) -> int:
        """Readable when a message may be there."""
        return self._messages

    def messages(self, seconds: float) -> Iterator[Any] | None:
        """What has come, after waiting for at most `seconds`; None when the child will say no more."""
        if not self._poll.poll(seconds * 1000):
            return iter(())
        block = os.read(self._messages, 1 << 16)
        self._got += block
        return self._whole() if block else None

    def _whole(self) -> Iterator[Any]:
        at = 0
        try:
            while len(self._got) >= (begin := at + _LENGTH.size):
                end = begin + _LENGTH.unpack_from(self._got, at)[0]
                if len(self._got) < end:
                    return
                at = end
                yield marshal.loads(self._got[begin:end])
        finally:
            self._got = self._got[at:]

    def end(self) -> None:
        """Kill it with all that it started. One that hangs in a dead mount is left to the mount's end.

        A signal's handler may break it off at any point; it can be called again.
        """
        self._life = _closed(self._life)
        for kill, whom in ((os.killpg, self.pid), (os.kill, self.pid)):  # it may not lead its group yet
            try:
                kill(whom, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self._messages >= 0 and self._gone(1.0):
            try:
                os.waitpid(self.pid, 0)
            except ChildProcessError:
                pass  # it was waited for before
        self._messages = _closed(self._messages)

    def _gone(self, seconds: float) -> bool:
        """Whether it ends in time: the end of its messages is the end of it."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._poll.poll(left * 1000) and not os.read(self._messages, 1 << 16):
                return True
        return False


def _closed(descriptor: int) -> int:
    """-1, once the descriptor is closed, or was before."""
    if descriptor >= 0:
        try:
            os.close(descriptor)
        except OSError:
            pass  # a signal came between the closing and its noting
    return -1


class Link:
    """The child's side."""

    def __init__(self, give: int, alive: int) -> None:
        self._give, self.alive = give, alive
        self.descriptors = (give, alive)

    def send(self, message: object) -> None:
        """Whole messages only: call it from one thread at a time."""
        blob = marshal.dumps(message)  # type: ignore[arg-type]
        view = memoryview(_LENGTH.pack(len(blob)) + blob)
        while view:
            view = view[os.write(self._give, view) :]


def _live(main: Callable[..., None], args: tuple[object, ...], keep: tuple[int, ...], link: Link) -> None:
    """The child's whole life; it never returns."""
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for one in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            signal.signal(one, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        null = os.open(os.devnull, os.O_RDWR)
        for standard in {0, 1, 2} - {*keep, *link.descriptors}:
            os.dup2(null, standard)
        _close_but({0, 1, 2, *keep, *link.descriptors})
        main(link, *args)
    finally:
        os._exit(0)


def _close_but(kept: set[int]) -> None:
    for descriptor in sorted(map(int, os.listdir("/proc/self/fd"))):
        if descriptor not in kept:
            try:
                os.close(descriptor)
            except OSError:
                pass  # that of the listing itself

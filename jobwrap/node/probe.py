"""Ask a question that may never be answered: a look at a dead FUSE mount hangs, even under SIGKILL.

The question runs in a forked child that can be abandoned, since it holds none of jobwrap's
descriptors: neither a pipe that someone waits on nor a folder that someone wants to unmount.
"""

from __future__ import annotations

import errno
import itertools
import marshal
import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from typing import Any

from jobwrap.failures import JobwrapError


class Hung(Exception):
    """`what` gave no answer within `seconds`."""

    def __init__(self, what: str, seconds: float) -> None:
        self.what, self.seconds = what, seconds
        super().__init__(f"{what} did not answer within {seconds:g} s")


def ask(question: Callable[..., Any], *args: object, deadline: float, what: str) -> Any:
    """`question(*args)`, which must be plain data that marshal takes, or Hung after `deadline` seconds.

    JobwrapError and OSError raised by the question are raised here; any other exception is a
    RuntimeError with its text.
    """
    (answer,) = ask_all(question, [(what, args)], deadline=deadline)
    if isinstance(answer, Exception):
        raise answer
    return answer


def ask_all(
    question: Callable[..., Any], subjects: Sequence[tuple[str, tuple[object, ...]]], *, deadline: float
) -> list[Any]:
    """The question asked about each (what, arguments) at once, under one deadline, in a child each.

    In the order of `subjects`; an exception stands where `ask` would have raised it.
    """
    children: list[tuple[int, int]] = []
    said: list[bytes | None] = []
    try:
        for _, args in subjects:
            children.append(_begin(question, args))
        said = _read_all([source for _, source in children], deadline)
    finally:  # also where a signal cut it short
        for (child, source), blob in itertools.zip_longest(children, said):
            _end(child, source, killed=blob is None)
    return [
        Hung(what, deadline) if blob is None else _heard(blob, what)
        for (what, _), blob in zip(subjects, said)
    ]


class Pending:
    """A question that is asked while its asker does something else.

    said  the answer, or the exception that stands for it, once came() is true
    cpu   the seconds of CPU that it took, then
    """

    def __init__(
        self, question: Callable[..., Any], *args: object, what: str, keeps: tuple[int, ...] = ()
    ) -> None:
        """keeps: descriptors that the child has, too."""
        self._child, self._source = _begin(question, args, keeps)
        os.set_blocking(self._source, False)
        self._began = time.monotonic()
        self._what, self._blob = what, b""
        self.said: Any = None
        self.cpu = 0.0

    def came(self) -> bool:
        """Whether the answer is there; never blocks."""
        if self._source < 0:
            return True
        try:
            while block := os.read(self._source, 1 << 16):
                self._blob += block
        except BlockingIOError:
            return False
        os.close(self._source)
        self._source = -1
        usage = os.wait4(self._child, 0)[2]
        self.said, self.cpu = _heard(self._blob, self._what), usage.ru_utime + usage.ru_stime
        return True

    def answer(self, deadline: float) -> Any:
        """The answer, waited for until `deadline` seconds after the question; raises as ask() does."""
        (blob,) = _read_all([self._source], self._began + deadline - time.monotonic())
        source, self._source = self._source, -1  # first: a signal may break off the wait for the child
        _end(self._child, source, killed=blob is None)
        answer = Hung(self._what, deadline) if blob is None else _heard(blob, self._what)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def abandon(self) -> None:
        """Nobody wants to know any more."""
        if self._source >= 0:
            source, self._source = self._source, -1
            _end(self._child, source, killed=True)


def _begin(
    question: Callable[..., Any], args: tuple[object, ...], keeps: tuple[int, ...] = ()
) -> tuple[int, int]:
    """The child's number and the descriptor that its answer comes from."""
    source, give = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(question, args, give, keeps)
    os.close(give)
    return child, source


def _end(child: int, source: int, killed: bool) -> None:
    os.close(source)
    if killed:  # it ends if it is only slow; a hung one stays until the mount goes
        os.kill(child, signal.SIGKILL)
    else:
        os.waitpid(child, 0)


def _heard(said: bytes, what: str) -> Any:
    """The answer, or the exception that stands for it."""
    if not said:  # killed from outside, or out of memory
        return RuntimeError(f"the look at {what} ended without an answer")
    kind, value = marshal.loads(said)
    if kind == "answer":
        return value
    if kind == "failure":
        return JobwrapError(value[0], **value[1])
    if kind == "os":
        return OSError(*value)
    return RuntimeError(value)


def _answer(
    question: Callable[..., Any], args: tuple[object, ...], give: int, keeps: tuple[int, ...]
) -> None:
    """The child's whole life; it never returns."""
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        last = max(map(int, os.listdir("/proc/self/fd")))
        kept = [2, *sorted((give, *keeps)), last + 1]
        for low, high in zip(kept, kept[1:]):
            os.closerange(low + 1, high)
        os.chdir("/")
        said: tuple[str, Any]
        try:
            said = ("answer", question(*args))
        except JobwrapError as error:
            said = ("failure", (error.failure.name, {name: str(fact) for name, fact in error.facts.items()}))
        except OSError as error:
            said = ("os", (error.errno or errno.EIO, error.strerror or str(error), error.filename))
        except Exception as error:  # the parent must hear of it, whatever it is
            said = ("other", f"{type(error).__name__}: {error}")
        blob = memoryview(marshal.dumps(said))
        while blob:
            blob = blob[os.write(give, blob) :]
    finally:
        os._exit(0)


def _read_all(sources: Sequence[int], deadline: float) -> list[bytes | None]:
    """What each descriptor gives until its end; None for one that has not ended in time."""
    end = time.monotonic() + deadline
    said = dict.fromkeys(sources, b"")
    poll = select.poll()
    for source in sources:
        poll.register(source, select.POLLIN)
    unfinished = set(sources)
    while unfinished:
        ready = poll.poll(max(0, end - time.monotonic()) * 1000)
        if not ready:
            break
        for source, _ in ready:
            block = os.read(source, 1 << 16)
            said[source] += block
            if not block:
                poll.unregister(source)
                unfinished.remove(source)
    return [None if source in unfinished else said[source] for source in sources]

"""Ask a question that may never be answered: a look at a dead FUSE mount hangs, even under SIGKILL.

The question runs in a forked child that can be abandoned, since it holds none of jobwrap's
descriptors: neither a pipe that someone waits on nor a folder that someone wants to unmount.
"""

from __future__ import annotations

import errno
import marshal
import os
import select
import signal
import time
from collections.abc import Callable
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
    answer, give = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(question, args, give)
    os.close(give)
    try:
        said = _read_all(answer, deadline, what)
    except Hung:
        os.kill(child, signal.SIGKILL)  # ends it if it is only slow; a hung one stays until the mount does
        raise
    finally:
        os.close(answer)
    os.waitpid(child, 0)
    if not said:  # killed from outside, or out of memory
        raise RuntimeError(f"the look at {what} ended without an answer")
    kind, value = marshal.loads(said)
    if kind == "answer":
        return value
    if kind == "failure":
        raise JobwrapError(value[0], **value[1])
    if kind == "os":
        raise OSError(*value)
    raise RuntimeError(value)


def _answer(question: Callable[..., Any], args: tuple[object, ...], give: int) -> None:
    """The child's whole life; it never returns."""
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        give = os.dup2(give, 3)
        os.closerange(4, max(map(int, os.listdir("/proc/self/fd"))) + 1)
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


def _read_all(source: int, deadline: float, what: str) -> bytes:
    end = time.monotonic() + deadline
    said = b""
    poll = select.poll()
    poll.register(source, select.POLLIN)
    while True:
        left = end - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise Hung(what, deadline)
        block = os.read(source, 1 << 16)
        if not block:
            return said
        said += block

"""Another program that moves bytes for us: of the child's process group, and ended with its attempt."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from typing import NamedTuple

from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.sink import Sink

_MOST = 1 << 16


class Ran(NamedTuple):
    """How a program ended: exit code (negative for a signal), and the beginning of what it said."""

    code: int
    out: str
    err: str


class Program:
    """One run, with no input and the descriptors in `keep`; OSError where it cannot be started."""

    def __init__(self, words: Sequence[str], attempt: Attempt, keep: tuple[int, ...] = ()) -> None:
        self._attempt = attempt
        self._errors = os.memfd_create("stderr", os.MFD_CLOEXEC)
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": self._errors}
        self._process = subprocess.Popen(words, pass_fds=keep, **pipes)  # type: ignore[call-overload]
        attempt.on_end(self._process.kill)

    def pour_into(self, sink: Sink) -> None:
        """All of its output are the file's next bytes."""
        output = self._process.stdout.fileno()
        while count := os.readv(output, [sink.space()]):
            self._attempt.count(count)
            sink.filled(count)

    def end(self) -> Ran:
        """Wait for it; what of its output was not read yet is returned."""
        out = self._process.stdout.read(_MOST)
        self._process.stdout.close()  # one who says more gets SIGPIPE
        code = self._process.wait()
        err = os.pread(self._errors, _MOST, 0)
        os.close(self._errors)
        return Ran(code, out.decode(errors="replace"), err.decode(errors="replace"))


def run(words: Sequence[str], attempt: Attempt, keep: tuple[int, ...] = ()) -> Ran:
    """Start it and wait for its end."""
    return Program(words, attempt, keep).end()

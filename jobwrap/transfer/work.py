"""A crew's work in a process of its own, as its caller sees it: waited for, cancelled, or failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from jobwrap.failures import JobwrapError
from jobwrap.transfer.apart import Child
from jobwrap.transfer.progress import Progress

Result = TypeVar("Result")


class Cancelled(Exception):
    """The caller wanted it no more."""


class Work(Generic[Result]):
    """For a caller with other things to wait for there are fileno() and read() beside wait().

    progress is called about once a second, if it is set.
    """

    progress: Callable[[Progress], None] | None = None

    def __init__(self, main: Callable[..., None], *args: object, keep: tuple[int, ...] = ()) -> None:
        self._child: Child | None = Child(main, *args, keep=keep)

    def take(self, kind: str, told: tuple[Any, ...]) -> None:
        """A message of the crew's."""
        raise NotImplementedError

    def result(self) -> Result:
        """What all messages together come to."""
        raise NotImplementedError

    def clean(self) -> None:
        """Once the crew has ended, however it did: remove what it left."""

    def fileno(self) -> int:
        """Readable when read() has something to do."""
        assert self._child
        return self._child.fileno()

    def wait(self, cancelled: Callable[[], bool] | None = None) -> Result:
        """The result; whatever is raised on the way, from a signal's handler too, ends the work."""
        try:
            while (done := self.read(0.1)) is None:
                if cancelled and cancelled():
                    raise Cancelled
            return done
        finally:
            self.cancel()

    def read(self, seconds: float = 0.0) -> Result | None:
        """Take in what is new, waiting up to `seconds`: the result once all is done, or JobwrapError."""
        assert self._child
        messages = self._child.messages(seconds)
        if messages is None:
            raise JobwrapError("jobwrap.bug", problem="the process that moves files was killed")
        for kind, *told in messages:
            if kind == "progress":
                if self.progress:
                    self.progress(Progress(*told[0]))
                continue
            if kind == "failed":
                raise JobwrapError(told[0], **told[1])
            if kind == "over":
                return self.result()
            self.take(kind, tuple(told))
        return None

    def cancel(self) -> None:
        """End it now, and leave nothing partial; to be called however it went."""
        if self._child:
            self._child.end()
            self._child = None
            self.clean()

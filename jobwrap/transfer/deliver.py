"""Deliver one file to where it should end up, in a process of its own that can be abandoned or cancelled."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from jobwrap.transfer.apart import Link
from jobwrap.transfer.options import Options
from jobwrap.transfer.work import Work


class Delivered(NamedTuple):
    """A file that is where it should be; url and bytes of it, seconds and tries it took.

    checksum is what it had here, (algorithm, hex digest), and was compared where the server tells one.
    """

    url: str
    bytes: int
    seconds: float
    attempts: int
    checksum: tuple[str, str] | None


def deliver(
    path: str,
    url: str,
    options: Options,
    checksum: tuple[str, str] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Delivered:
    """Bring the file `path` to `url`, which is a path or a URL; `checksum` where it is known already.

    It comes under its name only when it is whole there, where the protocol can do that. JobwrapError
    output.undelivered or policy.forbidden, and OSError where `path` cannot be opened.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return Delivering(path, file, url, options, checksum).wait(cancelled)
    finally:
        os.close(file)


class Delivering(Work[Delivered]):
    """A file on its way out."""

    def __init__(
        self, name: str, file: int, url: str, options: Options, checksum: tuple[str, str] | None = None
    ) -> None:
        self._delivered: Delivered | None = None
        super().__init__(_deliver, name, file, url, options, checksum, keep=(file,))

    def take(self, kind: str, told: tuple[Any, ...]) -> None:
        self._delivered = Delivered(*told)

    def result(self) -> Delivered:
        assert self._delivered
        return self._delivered


def _deliver(link: Link, *args: Any) -> None:
    from jobwrap.transfer import outbound  # in the child: nothing of it stays with the wrapper

    outbound.deliver(link, *args)

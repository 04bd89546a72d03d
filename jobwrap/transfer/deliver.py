"""Deliver files to where they should end up, many at once, in a process of its own that can be ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from jobwrap.letters import scheme_of
from jobwrap.transfer.apart import Link
from jobwrap.transfer.options import Options
from jobwrap.transfer.parts import prefix, remove_parts
from jobwrap.transfer.url import path_of
from jobwrap.transfer.work import Work


class Parcel(NamedTuple):
    """A file on its way to `url`, a path or a URL.

    name      what a failure calls it
    open      a descriptor of it for each try, closed afterwards. Called in another process, by several
              threads; JobwrapError ends the whole delivery
    checksum  (algorithm, hex digest) where it is known already
    """

    name: str
    open: Callable[[], int]
    url: str
    checksum: tuple[str, str] | None = None


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
    """Bring the file `path` to `url`: JobwrapError as Delivering, OSError where `path` cannot be opened.

    Cancelled when `cancelled()` became true.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parcel = Parcel(path, partial(os.dup, file), url, checksum)
        return Delivering([parcel], options, keep=(file,)).wait(cancelled)[0]
    finally:
        os.close(file)


class Delivering(Work[list[Delivered]]):
    """Files on their way out, many at once; the result is in the order of the parcels.

    Each comes under its name only when it is whole there, where the protocol can do that. What finally fails
    does not keep the others from going; JobwrapError output.undelivered or policy.forbidden then tells of the
    first. What open() raises ends all.

    delivered  those that are there, by their place among the parcels
    keep       descriptors that the parcels' open() uses
    """

    def __init__(self, parcels: Sequence[Parcel], options: Options, keep: tuple[int, ...] = ()) -> None:
        self.delivered: dict[int, Delivered] = {}
        self._parcels, self._prefix = parcels, prefix()
        super().__init__(_deliver, parcels, self._prefix, options, keep=keep)

    def take(self, kind: str, told: tuple[Any, ...]) -> None:
        self.delivered[told[0]] = Delivered(*told[1])

    def result(self) -> list[Delivered]:
        return [one for _, one in sorted(self.delivered.items())]

    def clean(self) -> None:
        if len(self.delivered) < len(self._parcels):
            for folder in {_folder(parcel.url) for parcel in self._parcels}:
                remove_parts(folder, self._prefix)


class Asking(Work[bool]):
    """Whether plugins here serve the places of outputs, (name, url) each; JobwrapError output.scheme."""

    def __init__(self, places: Sequence[tuple[str, str]], options: Options) -> None:
        super().__init__(_ask, places, options)

    def take(self, kind: str, told: tuple[Any, ...]) -> None:
        pass

    def result(self) -> bool:
        return True


def _folder(url: str) -> str:
    """Of this node, where a part of what was to come to `url` may lie; "" for none."""
    try:
        return os.path.dirname(path_of(url)) if scheme_of(url) in ("", "file") else ""
    except ValueError:
        return ""


def _deliver(link: Link, *args: Any) -> None:
    from jobwrap.transfer import outbound  # in the child: nothing of it stays with the wrapper

    outbound.deliver(link, *args)


def _ask(link: Link, *args: Any) -> None:
    from jobwrap.transfer import outbound

    outbound.ask(link, *args)

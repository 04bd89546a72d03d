"""Deliver files to where they should end up, many at once, in a process of its own that can be ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from jobwrap.transfer.apart import Link
from jobwrap.transfer.options import Options
from jobwrap.transfer.parts import prefix, remove_parts
from jobwrap.transfer.url import path_of, scheme_of
from jobwrap.transfer.work import Work


class Parcel(NamedTuple):
    """An open file on its way to `url`, a path or a URL.

    name      what a failure calls it
    file      descriptor, open for reading; read without moving its position
    checksum  (algorithm, hex digest) where it is known already
    """

    name: str
    file: int
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
    """Bring the file `path` to `url`. As deliver_all, and OSError where `path` cannot be opened."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return deliver_all([Parcel(path, file, url, checksum)], options, cancelled)[0]
    finally:
        os.close(file)


def deliver_all(
    parcels: Sequence[Parcel], options: Options, cancelled: Callable[[], bool] | None = None
) -> list[Delivered]:
    """Deliver all of them and return when the last is there, in the order of `parcels`.

    Each comes under its name only when it is whole there, where the protocol can do that. The first that
    finally fails ends the others: JobwrapError output.undelivered or policy.forbidden. Cancelled when
    `cancelled()` became true.
    """
    return Delivering(parcels, options).wait(cancelled) if parcels else []


class Delivering(Work[list[Delivered]]):
    """Files on their way out."""

    def __init__(self, parcels: Sequence[Parcel], options: Options) -> None:
        self._delivered: dict[int, Delivered] = {}
        self._parcels, self._prefix = parcels, prefix()
        super().__init__(
            _deliver, parcels, self._prefix, options, keep=tuple(parcel.file for parcel in parcels)
        )

    def take(self, kind: str, told: tuple[Any, ...]) -> None:
        self._delivered[told[0]] = Delivered(*told[1])

    def result(self) -> list[Delivered]:
        return [one for _, one in sorted(self._delivered.items())]

    def clean(self) -> None:
        if len(self._delivered) < len(self._parcels):
            for parcel in self._parcels:
                remove_parts(_folder(parcel.url), self._prefix)


def _folder(url: str) -> str:
    """Of this node, where a part of what was to come to `url` may lie; "" for none."""
    try:
        return os.path.dirname(path_of(url)) if scheme_of(url) in ("", "file") else ""
    except ValueError:
        return ""


def _deliver(link: Link, *args: Any) -> None:
    from jobwrap.transfer import outbound  # in the child: nothing of it stays with the wrapper

    outbound.deliver(link, *args)

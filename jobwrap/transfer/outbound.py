"""Files to be delivered, as errands with one place each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jobwrap.letters import scheme_of
from jobwrap.transfer.apart import Link
from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.crew import Crew
from jobwrap.transfer.errand import Errand
from jobwrap.transfer.options import Options
from jobwrap.transfer.schemes import DELIVERED
from jobwrap.transfer.source import Source
from jobwrap.transfer.trouble import FORBIDDEN, SCHEME, SCRATCH
from jobwrap.transfer.url import redact

if TYPE_CHECKING:
    from jobwrap.transfer.deliver import Parcel

FINGERPRINT = "sha256"


class Outbound(Errand):
    """One parcel. What of a task's work can be saved is saved, whatever becomes of the rest."""

    worth_alone = True

    def __init__(self, parcel: Parcel, index: int, prefix: str, options: Options) -> None:
        super().__init__((parcel.url,), options, checked=True)
        self._parcel, self._index, self._prefix = parcel, index, prefix
        self._shown = redact(parcel.url)
        self.renew()

    def renew(self) -> None:
        part = f"{self._prefix}{self._index}.{self.attempts}.part"
        also = (FINGERPRINT,) if self.options.fingerprint else ()
        self._source = Source(self._parcel.open, part, self._parcel.checksum, also)

    def step(self, attempt: Attempt) -> object:
        with self._source as source:
            attempt.total = source.size
            self.protocol().put(source, self._parcel.url, attempt)
            checksum = (FINGERPRINT, source.digest(FINGERPRINT)) if self.options.fingerprint else None
            how = (time.monotonic() - self.started, self.attempts + attempt.asked, checksum)
            return ("delivered", self._index, (self._shown, source.size, *how))

    def verdict(self) -> tuple[str, dict[str, str]]:
        name, why = self._parcel.name, self.skipped[-1][1]
        if SCRATCH in self.kinds:
            return "site.scratch", {"path": name, "problem": why}
        if FORBIDDEN in self.kinds:
            return "policy.forbidden", {"what": f"to deliver {name} to {self._shown}", "rule": why}
        return _undelivered(name, self._shown, why)


class Question(Errand):
    """Whether a plugin of this node serves the place of an output; nothing is sent."""

    def __init__(self, name: str, url: str, options: Options) -> None:
        super().__init__((url,), options, checked=True)
        self._name, self._url = name, url

    def step(self, attempt: Attempt) -> object:
        from jobwrap.transfer.protocols import plugin

        plugin.serves(self._url, attempt)
        return ("served",)

    def verdict(self) -> tuple[str, dict[str, str]]:
        if SCHEME not in self.kinds:  # a plugin that could not be asked
            return _undelivered(self._name, redact(self._url), self.skipped[-1][1])
        return "output.scheme", {"name": self._name, "scheme": scheme_of(self._url), "known": DELIVERED}


def _undelivered(name: str, shown: str, why: str) -> tuple[str, dict[str, str]]:
    return "output.undelivered", {"name": name, "url": shown, "problem": why}


def ask(link: Link, places: Sequence[tuple[str, str]], options: Options) -> None:
    """The child's main function where nothing is to be sent; (name, url) of each output."""
    Crew(link, options).run([Question(name, url, options) for name, url in places])


def deliver(link: Link, parcels: Sequence[Parcel], prefix: str, options: Options) -> None:
    """The child's main function."""
    Crew(link, options).run(
        [Outbound(parcel, index, prefix, options) for index, parcel in enumerate(parcels)]
    )

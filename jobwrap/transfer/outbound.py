"""A file to be delivered, as an errand with one place."""

from __future__ import annotations

import time

from jobwrap.transfer.apart import Link
from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.crew import Crew
from jobwrap.transfer.errand import Errand
from jobwrap.transfer.options import Options
from jobwrap.transfer.source import Source
from jobwrap.transfer.trouble import FORBIDDEN
from jobwrap.transfer.url import redact

FINGERPRINT = "sha256"


class Outbound(Errand):
    """`name` is what the failure calls it."""

    def __init__(self, name: str, source: Source, url: str, options: Options) -> None:
        super().__init__((url,), options, checked=True)
        self._name, self._source, self._url = name, source, url

    def step(self, attempt: Attempt) -> object:
        self.protocol().put(self._source, self._url, attempt)
        checksum = (FINGERPRINT, self._source.digest(FINGERPRINT)) if self.options.fingerprint else None
        seconds = time.monotonic() - self.started
        return ("delivered", redact(self._url), self._source.size, seconds, self.attempts + 1, checksum)

    def verdict(self) -> tuple[str, dict[str, str]]:
        why = self.skipped[-1][1]
        if FORBIDDEN in self.kinds:
            return "policy.forbidden", {
                "what": f"to deliver {self._name} to {redact(self._url)}",
                "rule": why,
            }
        return "output.undelivered", {"name": self._name, "url": redact(self._url), "problem": why}


def deliver(
    link: Link, name: str, file: int, url: str, options: Options, checksum: tuple[str, str] | None
) -> None:
    """The child's main function."""
    Crew(link, options).run([Outbound(name, Source(file, checksum), url, options)])

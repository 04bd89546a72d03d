"""How bytes are moved: every figure that a caller may want otherwise, with its default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from jobwrap.settings import Settings


class Options(NamedTuple):
    """Times in seconds, sizes in bytes.

    parallel     transfers at once
    attempts     at one place before the next one is tried
    pause        before the second attempt; doubles with each, with jitter, up to longest_pause.
                 A server's Retry-After counts where it is longer; one beyond longest_pause ends the place
    connect      until a server has accepted the connection, TLS included
    answer       until the first byte of an answer
    slowest      bytes per second; a transfer that stays under it over `window`, once `ramp_up` is over,
                 has stalled
    deadline     for one file at one place, retries and all
    schemes      what the site allows ("" is a path); None allows all
    proxies      URLs of proxies for http:, in the order in which they are tried; then without
    room         bytes that may be written here, all files together; None asks the file system alone
    fingerprint  whether a file without a checksum gets a sha256 all the same, for the record
    """

    parallel: int = 8
    attempts: int = 4
    pause: float = 1.0
    longest_pause: float = 60.0
    connect: float = 20.0
    answer: float = 60.0
    slowest: int = 100_000
    window: float = 30.0
    ramp_up: float = 10.0
    deadline: float = 6 * 3600.0
    schemes: tuple[str, ...] | None = None
    proxies: tuple[str, ...] = ()
    room: int | None = None
    fingerprint: bool = True


def options_of(settings: Settings, environ: Mapping[str, str]) -> Options:
    """What the site's settings and the environment say about transfers."""
    squid = environ.get("OSG_SQUID_LOCATION", "")
    return Options(schemes=settings.schemes, proxies=() if squid in ("", "UNAVAILABLE") else (squid,))

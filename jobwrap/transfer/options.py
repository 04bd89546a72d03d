"""How bytes are moved: every figure that a caller may want otherwise, with its default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from jobwrap.settings import Settings


class Options(NamedTuple):
    """Times in seconds, sizes in bytes, "" and () for none.

    parallel     transfers at once
    attempts     at one place before the next one is tried
    pause        before the second attempt; doubles with each, with jitter, up to longest_pause.
                 A server's Retry-After counts where it is longer; one beyond longest_pause ends the place
    connect      until a server has accepted the connection
    answer       until it has begun to answer
    slowest      bytes per second; a transfer that stays under it over `window`, once `ramp_up` is over,
                 has stalled
    deadline     for one file, all its places and attempts together
    schemes      what the site allows ("file" stands for paths, too); None allows all
    proxies      URLs for http:, in the order in which they are tried; then without. tls_proxies: for https:
    no_proxy     hosts and domains that are asked directly
    ca_file      PEM file of those who may sign a server's certificate, ca_folder: a folder of them (as
                 X509_CERT_DIR); without either, the system's
    client_certificate  PEM file with certificate and key (as X509_USER_PROXY)
    tokens       (host or host:port, file of its bearer token); only https: gets one
    token        file of the user's own token, for federations that ask for it
    credentials  folder of HTCondor's credentials, for URLs such as name+https://…
    plugins      paths of HTCondor file-transfer plugins, or of folders; () asks the node's HTCondor for them
    director     URL of the OSDF's director; "" asks the federation itself
    caches       URLs of caches of the OSDF that are asked first; "+" stands for the director's
    room         bytes that may be written here, all files together; None asks the file system alone
    fingerprint  whether a file without a checksum gets a sha256 all the same, for the record
    cache        folder that all slots of the node share
    cache_quota  bytes that the cache may take; None: half of its file system
    cache_owners whose cache may be read besides our own, as user ids
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
    tls_proxies: tuple[str, ...] = ()
    no_proxy: tuple[str, ...] = ()
    ca_file: str = ""
    ca_folder: str = ""
    client_certificate: str = ""
    tokens: tuple[tuple[str, str], ...] = ()
    token: str = ""
    credentials: str = ""
    plugins: tuple[str, ...] = ()
    director: str = ""
    caches: tuple[str, ...] = ()
    room: int | None = None
    fingerprint: bool = True
    cache: str = ""
    cache_quota: int | None = None
    cache_owners: tuple[int, ...] = (0,)


def options_of(settings: Settings, environ: Mapping[str, str]) -> Options:
    """What the site's settings and the environment say about transfers."""
    from jobwrap.transfer.surroundings import from_environment

    said = Options(
        schemes=settings.schemes,
        cache=settings.cache,
        cache_quota=settings.cache_quota,
        cache_owners=settings.cache_owners,
        **settings.transfer,
    )
    return from_environment(environ, said)

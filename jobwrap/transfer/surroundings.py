"""What the environment of a job says about transfers: proxies, certificates, credentials."""

from __future__ import annotations

from collections.abc import Mapping

from jobwrap.transfer.credentials import discover
from jobwrap.transfer.options import Options
from jobwrap.transfer.url import parse


def from_environment(environ: Mapping[str, str], options: Options) -> Options:
    """`options` with what the environment adds; what they say already stays."""
    return options._replace(
        proxies=options.proxies or _proxies(environ, "OSG_SQUID_LOCATION", "http_proxy"),
        tls_proxies=options.tls_proxies or _proxies(environ, "https_proxy", "HTTPS_PROXY"),
        no_proxy=options.no_proxy or _hosts(environ.get("no_proxy") or environ.get("NO_PROXY", "")),
        ca_folder=options.ca_folder or environ.get("X509_CERT_DIR", ""),
        client_certificate=options.client_certificate or environ.get("X509_USER_PROXY", ""),
        token=options.token or discover(environ),
        credentials=options.credentials or environ.get("_CONDOR_CREDS", ""),
    )


def _proxies(environ: Mapping[str, str], *names: str) -> tuple[str, ...]:
    """Their URLs, each once. OSG writes a squid as host:port, and UNAVAILABLE where a site has none.

    HTTP_PROXY in capitals is not read: in a CGI program it would be a header of the request.
    """
    found: list[str] = []
    for name in names:
        said = environ.get(name, "").strip()
        url = said if "://" in said else f"http://{said}"
        if said and said != "UNAVAILABLE" and url not in found and _is_proxy(url):
            found.append(url)
    return tuple(found)


def _is_proxy(url: str) -> bool:
    try:
        return bool(parse(url).host) and url.startswith("http://")
    except ValueError:
        return False


def _hosts(said: str) -> tuple[str, ...]:
    return tuple(filter(None, (one.strip().lstrip(".").lower() for one in said.split(","))))

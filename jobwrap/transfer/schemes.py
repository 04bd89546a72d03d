"""Which module of protocols/ serves which scheme of a URL."""

from __future__ import annotations

from jobwrap.letters import scheme_of

SCHEMES = {
    "": "local",
    "file": "local",
    "http": "http",
    "https": "http",
    "dav": "http",
    "davs": "http",
    "osdf": "osdf",
    "pelican": "osdf",
    "stash": "osdf",
    "root": "xroot",
    "roots": "xroot",
    "xroot": "xroot",
    "xroots": "xroot",
    "s3": "s3",
    "data": "data",
}
READ_ONLY = "data"  # nothing can be delivered to it
# For people: what can be fetched, and delivered.
KNOWN = ", ".join(filter(None, SCHEMES))
DELIVERED = ", ".join(scheme for scheme, server in SCHEMES.items() if scheme and server != READ_ONLY)
PLUGIN = "plugin"  # serves every other


def bare_scheme(place: str) -> str:
    """A place's scheme without the credential that HTCondor lets it name: name+https; "" for a path."""
    return scheme_of(place).rpartition("+")[2]


def server_of(place: str) -> str:
    """The module that serves a place."""
    return SCHEMES.get(bare_scheme(place), PLUGIN)


def is_allowed(place: str, schemes: tuple[str, ...] | None) -> bool:
    """Whether the site lets its jobs use it; see Options.schemes."""
    return schemes is None or (bare_scheme(place) or "file") in schemes

"""Whom the job's environment believes, and who it is to others: what came so is no other job's.

The node's cache is shared by jobs of several people where a pilot runs them under one user. One of them
could name a certificate or a proxy of his own and have a wrong image kept for all, or find the private
image that another had a login for. So both are part of the name under which a tag is kept.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping

from jobwrap.node.runtime import NAMES

_CERTIFICATES = r"SSL_CERT_(?:FILE|DIR)|X509_CERT_DIR"
# Of pulls: TLS tells a registry from a proxy that lies.
PULLS = re.compile(
    rf"(?:APPTAINER|SINGULARITY)_(?:DOCKER_|REGISTRY_|LIBRARY_).*|DOCKER_CONFIG|REGISTRY_AUTH_FILE|{_CERTIFICATES}"
)
FILES = re.compile(rf"(?:https?_proxy|no_proxy|OSG_SQUID_LOCATION|{_CERTIFICATES})", re.IGNORECASE)
# Where the runtimes look for logins besides.
_LOGINS = (
    *(f".{runtime}/{file}" for runtime in NAMES for file in ("docker-config.json", "remote.yaml")),
    ".docker/config.json",
)


def name_for(place: str, environ: Mapping[str, str], names: re.Pattern[str]) -> str:
    """`place`, with a mark behind it if the environment sets any of these names."""
    said = sorted((name, value) for name, value in environ.items() if value and names.fullmatch(name))
    home = environ.get("HOME", "")
    if names is PULLS and home and any(os.path.exists(f"{home}/{path}") for path in _LOGINS):
        said.append(("HOME", home))
    return f"{place} {hashlib.sha256(repr(said).encode()).hexdigest()}" if said else place

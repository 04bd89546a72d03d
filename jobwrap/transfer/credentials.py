"""Tokens: where they lie, and which server may see which.

A token goes over TLS only, to the origin it was meant for, and is read anew for each request, since
what renews it writes the file again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from jobwrap.transfer.trouble import DENIED, Trouble
from jobwrap.transfer.url import Url

_TLS = 443
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


def read_token(path: str) -> str:
    """The token in a file; Trouble where there is none that could be sent."""
    try:
        with open(path, encoding="ascii") as file:
            token = file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", "it is not text")
        raise Trouble(DENIED, f"its token {path} cannot be read: {problem}") from error
    if not token or re.search(r"\s", token):
        raise Trouble(DENIED, f"{path} does not hold one token")
    return token


def for_origin(url: Url, tokens: tuple[tuple[str, str], ...]) -> str | None:
    """The token for the server of `url`, None where it may have none.

    tokens are (host, file), or (host:port, file) for another port than 443.
    """
    if url.scheme != "https":
        return None
    port = url.port or _TLS
    names = (f"{url.host}:{port}", url.host) if port == _TLS else (f"{url.host}:{port}",)
    return next((read_token(path) for host, path in tokens if host.lower() in names), None)


def by_name(name: str, folder: str) -> str:
    """The token that HTCondor keeps under `name`: what the URL name+https://… asks for."""
    if not folder:
        raise Trouble(DENIED, f"there is no folder of credentials here to take {name} from")
    if not _NAME.fullmatch(name) or name.startswith("."):
        raise Trouble(DENIED, f"{name} cannot be the name of a credential")
    return read_token(os.path.join(folder, f"{name}.use"))


def discover(environ: Mapping[str, str]) -> str:
    """The file that holds the user's own token, "" without one (WLCG Bearer Token Discovery, 2020).

    A token in the environment itself (BEARER_TOKEN) is left alone: it is no file that could be renewed.
    """
    named = environ.get("BEARER_TOKEN_FILE", "")
    if named:
        return named
    own = f"bt_u{os.getuid()}"
    for folder in (environ.get("XDG_RUNTIME_DIR", ""), "/tmp"):
        path = os.path.join(folder, own)
        if folder and _is_ours(path):
            return path
    condor = environ.get("_CONDOR_CREDS", "")
    path = os.path.join(condor, "scitokens.use")
    return path if condor and os.path.isfile(path) else ""


def _is_ours(path: str) -> bool:
    """/tmp is everybody's: only a file that is ours, and that nobody else can write, holds our token."""
    try:
        seen = os.lstat(path)
    except OSError:
        return False
    return seen.st_uid == os.getuid() and seen.st_mode & 0o170022 == 0o100000  # noqa: PLR2004  # a file, not shared

"""Tokens and proxies: where they lie, and which server may see which token.

A token goes over TLS only, to the origin it was meant for, and is read anew for each request, since
what renews it writes the file again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from jobwrap.letters import is_word
from jobwrap.transfer.trouble import DENIED, Trouble
from jobwrap.transfer.url import Url

_TLS = 443
# Where they are looked for, in this order, for people to read.
BEARER_PLACES = "$BEARER_TOKEN, $BEARER_TOKEN_FILE, $XDG_RUNTIME_DIR and /tmp (bt_u<uid>), $_CONDOR_CREDS"
PROXY_PLACES = "$X509_USER_PROXY and /tmp (x509up_u<uid>)"
# Variables that name a file or a folder of credentials, and what of a home is one.
_NAMED = ("_CONDOR_CREDS", "BEARER_TOKEN_FILE", "X509_USER_PROXY", "X509_USER_KEY", "XDG_RUNTIME_DIR")
# Variables that name a file which is no output. HTCondor's starter takes orders from who has the last.
_FILES = (
    *("BEARER_TOKEN_FILE", "X509_USER_PROXY", "X509_USER_KEY", "KRB5CCNAME", "AWS_SHARED_CREDENTIALS_FILE"),
    *("AWS_WEB_IDENTITY_TOKEN_FILE", "GOOGLE_APPLICATION_CREDENTIALS", "_CONDOR_CHIRP_CONFIG"),
)
_AT_HOME = (".globus", ".ssh", ".condor", ".aws", ".gnupg", ".netrc")


def read_token(path: str) -> str:
    """The token in a file; Trouble where there is none that could be sent."""
    try:
        with open(path, encoding="ascii") as file:
            token = file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", "it is not text")
        raise Trouble(DENIED, f"its token {path} cannot be read: {problem}") from error
    if len(token.split()) != 1:
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
    if not is_word(name) or "+" in name or name.startswith("."):
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


def proxy(environ: Mapping[str, str]) -> str:
    """The file that holds the user's X.509 proxy, "" without one: as Globus looks for it."""
    named = environ.get("X509_USER_PROXY", "")
    path = f"/tmp/x509up_u{os.getuid()}"
    return named or (path if _is_ours(path) else "")


def places(environ: Mapping[str, str]) -> list[str]:
    """Every path where credentials of this user may lie, whether there are any or not.

    To know the user's home may take long, where a directory service tells it.
    """
    import pwd  # only for a job that asks to see a path of the node

    user = os.getuid()
    homes = {environ.get("HOME", "")}
    try:
        homes.add(pwd.getpwuid(user).pw_dir)
    except KeyError:
        pass  # a user without a name
    usual = [f"/run/user/{user}", *(f"/tmp/{kind}{user}" for kind in ("bt_u", "x509up_u", "krb5cc_"))]
    named = [environ[name] for name in _NAMED if environ.get(name, "").startswith("/")]
    return [*named, *usual, *(f"{home}/{name}" for home in homes if home for name in _AT_HOME)]


def identities(environ: Mapping[str, str], more: Iterable[str] = ()) -> frozenset[tuple[int, int]]:
    """Device and number of each file that is a credential of the job, under whatever name it is seen.

    So of the paths in `more`, which are no less the job's own.
    """
    folder = environ.get("_CONDOR_CREDS", "")
    try:
        files = [os.path.join(folder, name) for name in os.listdir(folder)] if folder else []
    except OSError:
        files = []
    named = (environ.get(name, "").rpartition("FILE:")[2] for name in _FILES)
    return frozenset(filter(None, map(_identity, filter(None, (*files, *named, *more)))))


def _identity(path: str) -> tuple[int, int] | None:
    try:
        seen = os.stat(path)
    except OSError:
        return None
    return seen.st_dev, seen.st_ino


def _is_ours(path: str) -> bool:
    """/tmp is everybody's: only a file that is ours, and that nobody else can write, holds our token."""
    try:
        seen = os.lstat(path)
    except OSError:
        return False
    return seen.st_uid == os.getuid() and seen.st_mode & 0o170022 == 0o100000  # noqa: PLR2004  # a file, not shared

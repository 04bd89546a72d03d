"""The credentials that a task gets because the job asked for them by name, and no other.

The task sees a folder, read-only, in which lies a copy of each, brought again whenever the one outside was
renewed. A renewal is a rename: to bind the file itself would go on showing the old one, and to bind the
folder that it lies in would show all that lies beside it, in /tmp or in XDG_RUNTIME_DIR.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from jobwrap import control
from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Job
from jobwrap.node.probe import Hung, Pending, ask
from jobwrap.transfer import credentials as places

BEARER, X509 = "bearer", "x509"
# What tells the task where its file lies; of any other credential it is the folder, as HTCondor has it.
_VARIABLES = {BEARER: "BEARER_TOKEN_FILE", X509: "X509_USER_PROXY"}
_FOLDER_VARIABLE = "_CONDOR_CREDS"
_IN_ENVIRONMENT = "BEARER_TOKEN"
_MOST = 1 << 20  # bytes of one credential
_NEW = ".new"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Credential(NamedTuple):
    """One that was asked for.

    name    as it was asked for: "bearer", "x509", or the name that HTCondor keeps it under
    source  the file that it is read from; "" for a token that stands in BEARER_TOKEN itself
    file    its name in the folder that the task sees
    """

    name: str
    source: str
    file: str


def find(names: Iterable[str], environ: Mapping[str, str], scratch: str) -> tuple[Credential, ...]:
    """Where each of them lies; JobwrapError job.no_credential for the first that does not."""
    return tuple(_find(name, environ, scratch) for name in dict.fromkeys(names))


def _find(name: str, environ: Mapping[str, str], scratch: str) -> Credential:
    if name == BEARER:
        if environ.get(_IN_ENVIRONMENT):
            return Credential(name, "", name)
        source, tried = places.discover(environ), places.BEARER_PLACES
    elif name == X509:
        source, tried = places.proxy(environ), places.PROXY_PLACES
    else:
        folder = environ.get(_FOLDER_VARIABLE, "")
        source, tried = folder and f"{folder}/{name}.use", f"${_FOLDER_VARIABLE}/{name}.use"
    if not source:
        raise JobwrapError("job.no_credential", name=name, problem=f"looked for it in {tried}")
    file = name if name in _VARIABLES else f"{name}.use"
    return Credential(name, os.path.normpath(os.path.join(scratch, source)), file)


def variables(credentials: Iterable[Credential], job: Job) -> dict[str, str]:
    """What points the task to its copies."""
    folder = os.path.join(job.target, control.NAME)
    if job.here:
        folder = os.path.join(job.scratch, control.NAME, control.GIVEN)
    found = {}
    for each in credentials:
        if each.name in _VARIABLES:
            found[_VARIABLES[each.name]] = f"{folder}/{each.file}"
        else:
            found[_FOLDER_VARIABLE] = folder
    return found


def reasons(credentials: Iterable[Credential]) -> tuple[str, ...]:
    """For the plan: a sentence for each."""
    sources = ((each.name, each.source) for each in credentials)
    return tuple(
        f"credential {name}: a copy of {source}, kept as new as that"
        if source
        else f"credential {name}: out of the variable {_IN_ENVIRONMENT}, which nobody renews"
        for name, source in sources
    )


class Given:
    """The copies for one task in `folder`: there after bring(), kept new by renew(), gone after remove()."""

    def __init__(self, credentials: tuple[Credential, ...], folder: str, deadline: float) -> None:
        self._credentials, self._folder, self._deadline = credentials, folder, deadline
        self._pending: Pending | None = None
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self._empty()  # what a jobwrap left there that was killed

    def bring(self) -> None:
        """Puts them there; JobwrapError job.no_credential for one that is none, else site.*."""
        for each in self._credentials:
            try:
                ask(_copy, each.source, self._path(each), deadline=self._deadline, what=each.source)
            except Hung as hung:
                raise JobwrapError("site.storage", path=hung.what, problem="it does not answer") from hung
            except (OSError, RuntimeError) as error:
                if getattr(error, "errno", 0) in _NO_ROOM:
                    problem = f"no room for a credential ({error})"
                    raise JobwrapError("site.scratch", path=self._folder, problem=problem) from error
                problem = f"{each.source or _IN_ENVIRONMENT}: {getattr(error, 'strerror', None) or error}"
                raise JobwrapError("job.no_credential", name=each.name, problem=problem) from error

    def renew(self) -> None:
        """Looks for newer ones, in a child that may hang in our place; what cannot be read stays."""
        if self._pending and not self._pending.came():
            return
        renewable = [(each.source, self._path(each)) for each in self._credentials if each.source]
        self._pending = Pending(_copy_all, renewable, what="the credentials") if renewable else None

    def remove(self) -> None:
        """Nothing of them is left."""
        if self._pending:
            if not self._pending.came():
                self._pending.abandon()
            self._pending = None
        self._empty()

    def _path(self, credential: Credential) -> str:
        return os.path.join(self._folder, credential.file)

    def _empty(self) -> None:
        for name in os.listdir(self._folder):
            os.unlink(os.path.join(self._folder, name))


def _copy_all(pairs: list[tuple[str, str]]) -> None:
    for source, target in pairs:
        try:
            _copy(source, target)
        except OSError:
            pass  # it may be in the middle of its renewal


def _copy(source: str, target: str) -> None:
    """The content of `source` in place of `target`, by a rename, unless it is there already.

    OSError where there is none.
    """
    content = _read(source) if source else os.environb.get(_IN_ENVIRONMENT.encode(), b"")
    if not content.strip():
        raise OSError(errno.ENODATA, "it is empty")
    if os.path.exists(target) and _read(target) == content:
        return
    try:
        os.unlink(target + _NEW)  # of one that was killed half-way
    except FileNotFoundError:
        pass
    new = os.open(target + _NEW, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(new, "wb") as file:
        file.write(content)
    os.rename(target + _NEW, target)


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        content = file.read(_MOST + 1)
    if len(content) > _MOST:
        raise OSError(errno.EFBIG, "it is larger than 1 MiB")
    return content

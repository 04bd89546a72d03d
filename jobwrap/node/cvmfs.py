"""The CVMFS repositories of this node: whether they work, and what their client says of itself.

Every look is a probe with a deadline. /cvmfs itself is never listed: under autofs that shows nothing,
or mounts everything. Extended attributes: CVMFS documentation, "Client diagnostics"; a site may hide
them (CVMFS_XATTR_PRIVILEGED_GIDS), and then they are unknown.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.node import files, probe

PRESENT, EMPTY, MISSING, HUNG = "present", "empty", "missing", "hung"
DISCONNECTED, IO_ERROR, BROKEN = "disconnected", "I/O error", "broken"
_STATES = {
    errno.ENOENT: MISSING,
    errno.ENOTDIR: MISSING,
    errno.ENODEV: MISSING,  # autofs, which has no such repository
    errno.ENOTCONN: DISCONNECTED,
    errno.EIO: IO_ERROR,
}
_ATTRIBUTES = ("revision", "root_hash", "nioerr", "timestamp_last_ioerr", "host", "proxy", "version")


class Repository(NamedTuple):
    """One repository at one moment. None and "" are what its client does not tell.

    state       one of the words above; only "present" is good
    problem     what the system said, or how long it did not answer
    nioerr      I/O errors since it was mounted
    last_ioerr  when the last of them was, in seconds since 1970; 0 for never
    """

    name: str
    path: str
    state: str
    problem: str = ""
    revision: int | None = None
    root_hash: str = ""
    nioerr: int | None = None
    last_ioerr: int | None = None
    host: str = ""
    proxy: str = ""
    version: str = ""


def cvmfs_mount(environ: Mapping[str, str]) -> str:
    """Where CVMFS is mounted: cvmfsexec and some sites put it elsewhere, and say so."""
    for name in ("CVMFS_MOUNT_DIR", "CVMFS_BASE"):
        if environ.get(name, "").startswith("/"):
            return environ[name].rstrip("/") or "/"
    return "/cvmfs"


def look(names: Sequence[str], mount: str, deadline: float) -> tuple[Repository, ...]:
    """The state of each repository, all asked at once; it takes `deadline` seconds where one hangs."""
    paths = [f"{mount}/{name}" for name in names]
    answers = probe.ask_all(_look, [(path, (path,)) for path in paths], deadline=deadline)
    return tuple(map(_repository, names, paths, answers))


def look_here(name: str, mount: str) -> Repository:
    """The state of one repository, for who is in a probe already."""
    path = f"{mount}/{name}"
    try:
        return _repository(name, path, _look(path))
    except OSError as error:
        return _repository(name, path, error)


def check(repository: Repository, deadline: float) -> None:
    """JobwrapError site.cvmfs_… for a repository that a job could not use; deadline: that of the look."""
    path, state = repository.path, repository.state
    if state in (EMPTY, MISSING):
        raise JobwrapError("site.cvmfs_missing", path=path)
    if state == HUNG:
        raise JobwrapError("site.cvmfs_hung", path=path, seconds=deadline)
    if state != PRESENT:
        raise JobwrapError("site.cvmfs_broken", path=path, problem=repository.problem)


def compare(before: Sequence[Repository], after: Sequence[Repository]) -> tuple[str, ...]:
    """What went wrong with the repositories in between, a sentence each: evidence that the site failed."""
    evidence: list[str] = []
    for old, new in zip(before, after):
        if old.state == PRESENT and new.state != PRESENT:
            evidence.append(f"{new.path} stopped working: {new.problem or new.state}")
        errors = _new_errors(old, new)
        if errors:
            evidence.append(f"{new.path} had {errors} while the task ran")
    return tuple(evidence)


def repository_of(path: str, mount: str) -> str:
    """The name of the repository that a path lies in, "" outside CVMFS; only the path's text is looked at."""
    for folder in (mount, "/cvmfs"):
        if path.startswith(f"{folder}/"):
            return path[len(folder) + 1 :].partition("/")[0]
    return ""


def _look(path: str) -> dict[str, Any]:
    """In the probe: whether there is anything in the folder, and the attributes that may be read."""
    with os.scandir(path) as entries:
        empty = next(entries, None) is None
    told = {name: _attribute(path, name) for name in _ATTRIBUTES}
    return {**told, "state": EMPTY if empty and not told["root_hash"] else PRESENT}


def _attribute(path: str, name: str) -> str:
    try:
        value = os.getxattr(path, f"user.{name}")
    except OSError:  # EPERM, ENODATA, ENOTSUP: not to be known here
        return ""
    return value.decode(errors="replace").rstrip("\0\n")


def _repository(name: str, path: str, answer: Any) -> Repository:
    if isinstance(answer, probe.Hung):
        return Repository(name, path, HUNG, f"no answer within {answer.seconds:g} s")
    if isinstance(answer, OSError):
        problem = answer.strerror or str(answer)
        return Repository(name, path, _STATES.get(answer.errno or 0, BROKEN), problem)
    if isinstance(answer, Exception):
        return Repository(name, path, BROKEN, str(answer))
    return Repository(
        name,
        path,
        answer["state"],
        revision=files.number(answer["revision"]),
        root_hash=answer["root_hash"],
        nioerr=files.number(answer["nioerr"]),
        last_ioerr=files.number(answer["timestamp_last_ioerr"]),
        host=answer["host"],
        proxy=answer["proxy"],
        version=answer["version"],
    )


def _new_errors(old: Repository, new: Repository) -> str:
    """How many I/O errors came, in words; "" for none or unknown. A counter that fell began anew."""
    if old.nioerr is not None and new.nioerr is not None:
        count = new.nioerr - old.nioerr if new.nioerr >= old.nioerr else new.nioerr
        return f"{count} I/O error{'s' * (count != 1)}" if count else ""
    if old.last_ioerr is not None and new.last_ioerr is not None and new.last_ioerr > old.last_ioerr:
        return "an I/O error"
    return ""

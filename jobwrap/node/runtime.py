"""Which container runtime this node has: looked for in the field's order, without starting any.

Order: the site's setting, the variables of GlideinWMS and OSG pilots, PATH, the copies on CVMFS.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from jobwrap.node import probe

_VARIABLES = (
    "GLIDEIN_SINGULARITY_BINARY_OVERRIDE",
    "SINGULARITY_BIN",
    "OSG_SINGULARITY_BINARY",
    "GWMS_SINGULARITY_PATH",
    "OSG_SINGULARITY_PATH",
)
_COPIES = (
    "oasis.opensciencegrid.org/mis/apptainer/bin/apptainer",
    "oasis.opensciencegrid.org/mis/singularity/bin/singularity",
)
_NAMES = ("apptainer", "singularity")
_DEADLINE = 10.0  # for a look at /cvmfs


class Runtime(NamedTuple):
    """path: absolute; name: "apptainer" or "singularity"; source: why this one."""

    path: str
    name: str
    source: str


Rejected = tuple[tuple[str, str], ...]


def find_runtime(
    environ: Mapping[str, str], *, setting: str = "", cvmfs: str = "/cvmfs", root: str = "/"
) -> tuple[Runtime | None, Rejected]:
    """The first candidate that is a program, and those before it with the reason against each."""
    rejected: list[tuple[str, str]] = []
    for path, source in _candidates(environ, setting, cvmfs, root):
        why = _why_not(path, cvmfs, root)
        if not why:
            return Runtime(path, _name(path, root), source), tuple(rejected)
        rejected.append((path, why))
    return None, tuple(rejected)


def _candidates(environ: Mapping[str, str], setting: str, cvmfs: str, root: str) -> Iterator[tuple[str, str]]:
    if setting:
        yield setting, "the site's setting"
    for variable in _VARIABLES:
        if environ.get(variable, "").startswith("/"):  # else a keyword: it asks for one of those below
            yield environ[variable], variable
    for name in _NAMES:
        # The many folders of PATH that have no such file are one candidate that is not there.
        for folder in environ.get("PATH", os.defpath).split(":"):
            path = f"{folder.rstrip('/')}/{name}"
            if folder.startswith("/") and (folder.startswith(cvmfs) or os.path.lexists(root + path)):
                yield path, "PATH"
    for copy in _COPIES:
        yield f"{cvmfs}/{copy}", "CVMFS"


def _why_not(path: str, cvmfs: str, root: str) -> str:
    """Why the candidate cannot be the runtime, or ""."""
    try:
        if path.startswith(f"{cvmfs}/"):
            return str(probe.ask(_look, root + path, deadline=_DEADLINE, what=path))
        return _look(root + path)
    except probe.Hung as hung:
        return str(hung)


def _look(path: str) -> str:
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        return (error.strerror or str(error)).lower()
    except ValueError:
        return "no path"
    if not stat.S_ISREG(mode):
        return "not a file"
    return "" if os.access(path, os.X_OK) else "not executable"


def _name(path: str, root: str) -> str:
    real = os.path.realpath(root + path) if not path.startswith("/cvmfs") else path
    return "apptainer" if os.path.basename(real) == "apptainer" else "singularity"

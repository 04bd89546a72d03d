"""Which container runtime this node has: looked for in the field's order, without starting any.

Order: the site's setting, the variables of GlideinWMS and OSG pilots and the machine ad, PATH, the
copies on CVMFS. Whether it works is another question: trial.py.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from jobwrap.node import mounts, probe

NAMES = ("apptainer", "singularity")
# A program, or a folder or list of folders that holds one. What a pilot has found and tried comes before
# what it was told to use; a keyword (PATH, OSG, CONDOR) instead of a path names what is looked at anyway.
_VARIABLES = (
    "GLIDEIN_SINGULARITY_BINARY_OVERRIDE",
    "GWMS_SINGULARITY_PATH",
    "OSG_SINGULARITY_PATH",
    "SINGULARITY_BIN",
    "OSG_SINGULARITY_BINARY",
)
_COPIES = ("mis/apptainer/bin/apptainer", "mis/singularity/bin/singularity")
_COPIES_IN = "oasis.opensciencegrid.org"
_ABSENT = "no such file or directory"


class Runtime(NamedTuple):
    """path: absolute; name: "apptainer", "singularity" or "bwrap"; source: why this one.

    The rest is Apptainer's until dialect.py has asked: what it calls itself, whether it takes binds by
    --mount, and what it is always told.
    """

    path: str
    name: str
    source: str
    version: str = ""
    csv: bool = True
    flags: tuple[str, ...] = ()


Rejected = tuple[tuple[str, str], ...]


def find_runtime(
    environ: Mapping[str, str],
    ad: Mapping[str, object],
    *,
    setting: str = "",
    mount: str = "/cvmfs",
    deadline: float = 10.0,
    root: str = "",
) -> tuple[Runtime | None, Rejected]:
    """The first candidate that is a program, and those before it with the reason against each.

    Anything that leads into CVMFS, mounted at `mount`, or another file system that may hang is looked at
    in a probe, for at most `deadline` seconds each.
    """
    rejected: list[tuple[str, str]] = []
    look = _Look(mount, deadline, root)
    for path, source in _candidates(environ, ad, setting, mount):
        program, name, why = look.at(path)
        if program:
            return Runtime(program, name, source), tuple(rejected)
        # That a folder of PATH has no such program is no news.
        if why != _ABSENT or source != "PATH":
            rejected.append((path, why))
    return None, (*rejected, ("PATH", f"has neither {NAMES[0]} nor {NAMES[1]}"))


def find_named(
    name: str, environ: Mapping[str, str], *, mount: str = "/cvmfs", deadline: float = 10.0
) -> Runtime | None:
    """The runtime that the job asks for by name, out of PATH: also bwrap, which is never chosen silently."""
    look = _Look(mount, deadline, "")
    for path in _on_path(name, environ):
        program, _, _ = look.at(path)
        if program:
            return Runtime(program, name, f"--runtime {name}")
    return None


def _candidates(
    environ: Mapping[str, str], ad: Mapping[str, object], setting: str, mount: str
) -> Iterator[tuple[str, str]]:
    told = [(environ.get(name, ""), name) for name in _VARIABLES]
    told.insert(3, (str(ad.get("singularity_path") or ""), "SINGULARITY_PATH of the machine ad"))
    for words, source in [(setting, "the site's setting"), *told]:
        yield from ((path, source) for path in words.split(":") if path.startswith("/"))
    for name in NAMES:
        yield from ((path, "PATH") for path in _on_path(name, environ))
    for copy in _COPIES:
        yield f"{mount}/{_COPIES_IN}/{copy}", "the copy on CVMFS"


def _on_path(name: str, environ: Mapping[str, str]) -> Iterator[str]:
    for folder in environ.get("PATH", os.defpath).split(":"):
        if folder.startswith("/"):
            yield f"{folder.rstrip('/')}/{name}"


class _Look:
    """Looks at candidates, and at nothing more of a mount that has not answered once."""

    def __init__(self, mount: str, deadline: float, root: str) -> None:
        self.mounts, self.deadline, self.root = {mount, "/cvmfs", *mounts.may_hang(root)}, deadline, root
        self.hung: dict[str, str] = {}

    def at(self, path: str) -> tuple[str, str, str]:
        """Path and name of the program there, or why there is none."""
        mount = mounts.leads_into(path, self.mounts, self.root)
        if not mount:
            return _look(path, self.root)
        if mount in self.hung:
            return "", "", f"not looked at, since {self.hung[mount]}"
        try:
            found: tuple[str, str, str] = probe.ask(_look, path, self.root, deadline=self.deadline, what=path)
        except probe.Hung as hung:
            self.hung[mount] = str(hung)
            return "", "", str(hung)
        except RuntimeError as error:
            return "", "", str(error)
        return found


def _look(path: str, root: str) -> tuple[str, str, str]:
    try:
        if stat.S_ISDIR(os.stat(root + path).st_mode):
            return _look_inside(path, root)
        real = os.path.realpath(root + path)
        mode = os.stat(real).st_mode
    except OSError as error:
        return "", "", (error.strerror or str(error)).lower()
    except ValueError:  # a NUL in it
        return "", "", "no path"
    if not stat.S_ISREG(mode):
        return "", "", "not a file"
    if not os.access(real, os.X_OK):
        return "", "", "not executable"
    return path, NAMES[0] if NAMES[0] in os.path.basename(real) else NAMES[1], ""


def _look_inside(folder: str, root: str) -> tuple[str, str, str]:
    for name in NAMES:
        program = f"{folder.rstrip('/')}/{name}"
        if os.path.isfile(root + program):
            return _look(program, root)
    return "", "", f"a folder without {NAMES[0]} or {NAMES[1]}"

"""What a `singularity` understands: Singularity 3, SingularityCE and SingularityPRO differ from Apptainer.

From the published sources of the first two, version by version; PRO is taken to be as the CE of its number.
Only Apptainer was seen running: all rows but its own are untested. A program named apptainer is not asked,
since all of its versions are alike.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.node import probe, program
from jobwrap.node.runtime import Runtime

_TOLD = re.compile(r"(\S+) version (\d\S*)")
_NUMBERS = re.compile(r"(\d+)\.(\d+)")
_ENDING = 2.0  # seconds in which a program that hangs is ended by who started it, before it is left alone
_OLDEST = "older than Singularity 3.6, the first that runs an image without a shell"


class Dialect(NamedTuple):
    """What a product understands from a version on.

    product  as --version names it
    since    major and minor number
    csv      whether a bind can be written for --mount, which takes any path; else for --bind
    flags    what exec and pull are always told
    """

    product: str
    since: tuple[int, int]
    csv: bool
    flags: tuple[str, ...] = ()


_OCI_MODE = ("--no-oci",)  # a site can make it the default, and it knows neither env scripts nor --no-init
TABLE = (
    Dialect("apptainer", (1, 0), csv=True),
    Dialect("singularity-ce", (4, 0), csv=True, flags=_OCI_MODE),
    Dialect("singularity-ce", (3, 9), csv=True),
    Dialect("singularity-ce", (3, 8), csv=False),
    Dialect("singularity-pro", (4, 0), csv=True, flags=_OCI_MODE),
    Dialect("singularity-pro", (3, 9), csv=True),
    Dialect("singularity-pro", (3, 7), csv=False),
    Dialect("singularity", (3, 6), csv=False),
)


def speak(runtime: Runtime, deadline: float) -> Runtime:
    """The runtime with what it understands, for at most `deadline` seconds.

    JobwrapError site.no_runtime for one that does not say who it is, is unknown or too old.
    """
    try:
        product, version = ask_version(runtime.path, deadline)
    except (probe.Hung, RuntimeError) as error:
        raise JobwrapError("site.no_runtime", tried=f"{runtime.path}: {error}") from error
    dialect = dialect_of(product, version)
    if not dialect:
        why = _OLDEST if product == "singularity" else "none that jobwrap knows"
        raise JobwrapError("site.no_runtime", tried=f"{runtime.path}: {product} {version} is {why}")
    return runtime._replace(version=f"{product} {version}", csv=dialect.csv, flags=dialect.flags)


def ask_version(path: str, deadline: float) -> tuple[str, str]:
    """ "singularity-ce" and "4.1.0-1", as the program tells with --version.

    probe.Hung after `deadline` seconds, RuntimeError where it does not start or says something else.
    """
    what = f"{path} --version"
    said: str = probe.ask(_version, path, deadline, deadline=deadline + _ENDING, what=what)
    told = _TOLD.search(said)
    if not told:
        raise RuntimeError(f"--version says {said.strip()[:80]!r}, which names no product and version")
    return told[1], told[2]


def dialect_of(product: str, version: str) -> Dialect | None:
    """The row of TABLE, None for a product or a version that it does not have."""
    numbers = _NUMBERS.match(version)
    if not numbers:
        return None
    mine = (int(numbers[1]), int(numbers[2]))
    rows = [row for row in TABLE if row.product == product and row.since <= mine]
    return max(rows, key=lambda row: row.since, default=None)


def _version(path: str, deadline: float) -> str:
    ran = program.run((path, "--version"), "/", deadline)
    if ran.code is None:
        raise RuntimeError(ran.errors)
    return ran.out or ran.errors

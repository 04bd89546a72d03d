"""The trap of --nv: the host's driver libraries that a container gets may need a newer glibc than it has.

Then a program that loads one of them ends with "version `GLIBC_2.34' not found", hours into the queue.
Read here before the launch, from the symbol versions. Held against made libraries in the tests;
untested on a node with a real driver older or newer than an image.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.image.elf import read_versions
from jobwrap.image.files import Files
from jobwrap.image.needs import version_key
from jobwrap.image.view import view_of
from jobwrap.node import files as nodes

# Where Apptainer and SingularityCE list what --nv binds, and what it is where no list is found.
_LISTS = ("/etc/apptainer/nvliblist.conf", "/etc/singularity/nvliblist.conf")
_USUAL = ("libcuda.so", "libnvidia-ml.so", "libnvidia-ptxjitcompiler.so", "libEGL.so", "libGL")
_FOLDERS = ("/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib64")
_COMPUTE = ("libcuda.so", "libnvidia-ml.so")  # without these no task can use the GPU at all


class Clash(NamedTuple):
    """A library of the host that needs a newer glibc than the image has."""

    library: str
    needs: str

    @property
    def fatal(self) -> bool:
        """Whether every task that uses the GPU loads it, and not only one that draws."""
        return os.path.basename(self.library).startswith(_COMPUTE)


def host_libraries(root: str = "/") -> tuple[str, ...]:
    """The libraries that --nv would bind into a container, as paths below root."""
    listed = next(filter(None, (nodes.text(f"{root.rstrip('/')}{path}") for path in _LISTS)), "")
    names = tuple(re.findall(r"^\s*(lib[\w.-]+\.so)", listed, re.MULTILINE | re.ASCII)) or _USUAL
    found: dict[str, str] = {}
    for folder in _FOLDERS:
        for name in nodes.names(f"{root.rstrip('/')}{folder}"):
            if name.startswith(names) and name not in found:
                found[name] = f"{folder}/{name}"
    return tuple(sorted(found.values()))


def clashes(libraries: Iterable[str], glibc: str, root: str = "/") -> tuple[Clash, ...]:
    """Those of the libraries that do not work with an image's glibc, "2.28"; none where that is unknown."""
    has = version_key(glibc)
    if not has:
        return ()
    files = Files(view_of(("/", root)))
    found: dict[str, Clash] = {}
    for library in libraries:
        versions = files.parse(library, read_versions)
        wanted = [version for _, version in versions.wanted] if versions else []
        numbers = [version[6:] for version in wanted if re.match(r"GLIBC_\d", version)]
        newest = max(numbers, key=version_key, default="")
        if version_key(newest) > has:
            found[library] = Clash(library, newest)
    return tuple(found.values())


def words(clash: Clash, glibc: str) -> str:
    """ "it needs glibc 2.34 and the image has 2.28"."""
    return f"it needs glibc {clash.needs} and the image has {glibc}"


def refusal(image: str, glibc: str, found: Iterable[Clash]) -> JobwrapError:
    """The failure for an image whose glibc is too old for this node's driver."""
    worst = max(found, key=lambda clash: version_key(clash.needs))
    facts = {"library": worst.library, "needs": worst.needs, "has": glibc}
    return JobwrapError("image.driver_clash", image=image, **facts)

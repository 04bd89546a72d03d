"""The trap of --nv: the host's driver libraries that a container gets may need a newer glibc than it has.

Then a program that loads one of them ends with "version `GLIBC_2.34' not found", hours into the queue.
Read here before the launch, from the symbol versions. What the site wants left out cannot be taken from
--nv: in its place come the libraries that fit (--containlibs, which Apptainer and SingularityCE do not
document), the devices and the driver's programs. Tried with Apptainer and libraries of the tests' own;
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
from jobwrap.image.ldcache import read_cache
from jobwrap.image.needs import version_key
from jobwrap.image.view import view_of
from jobwrap.node import files as nodes

# Where Apptainer and SingularityCE list what --nv binds, and what it is where no list is found.
_LISTS = ("/etc/apptainer/nvliblist.conf", "/etc/singularity/nvliblist.conf")
_USUAL = ("libcuda.so", "libnvidia-ml.so", "libnvidia-ptxjitcompiler.so", "libEGL.so", "libGL")
_PROGRAMS = ("nvidia-smi", "nvidia-debugdump", "nvidia-persistenced")
_FOLDERS = ("/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib64")
_COMPUTE = ("libcuda.so", "libnvidia-ml.so")  # without these no task can use the GPU at all


class Driver(NamedTuple):
    """What a container gets of the host's driver where that is not all.

    libraries  paths on the node, bound by their names into a folder that the loader looks into
    binds      (path on the node, path in the container) of devices and programs
    """

    libraries: tuple[str, ...]
    binds: tuple[tuple[str, str], ...]


class Clash(NamedTuple):
    """A library of the host that needs a newer glibc than the image has."""

    library: str
    needs: str

    @property
    def fatal(self) -> bool:
        """Whether every task that uses the GPU loads it, and not only one that draws."""
        return os.path.basename(self.library).startswith(_COMPUTE)


def host_libraries(root: str = "/", machine: str = "x86_64") -> tuple[str, ...]:
    """The libraries that --nv would bind into a container, as paths below root.

    As the runtime does it, those that its list names and that the loader's cache has; where there is no
    cache, those in the usual folders.
    """
    root = root.rstrip("/")
    names = tuple(re.findall(r"^\s*(lib[\w.-]+\.so)", _listed(root), re.MULTILINE | re.ASCII)) or _USUAL
    there = read_cache(machine, root) or [
        (name, f"{folder}/{name}") for folder in _FOLDERS for name in nodes.names(f"{root}{folder}")
    ]
    found: dict[str, str] = {}
    for name, path in there:
        if name.startswith(names):
            found.setdefault(name, path)
    return tuple(sorted(found.values()))


def host_driver(without: Iterable[Clash], libraries: Iterable[str], search: str, root: str = "/") -> Driver:
    """All that --nv would bind, save the libraries that clash; search: the PATH of the runtime."""
    root, left = root.rstrip("/"), {clash.library for clash in without}
    devices = [f"/dev/{name}" for name in nodes.names(f"{root}/dev") if name.startswith("nvidia")]
    names = re.findall(r"^\s*(nvidia-[\w-]+)\s*$", _listed(root), re.MULTILINE | re.ASCII) or _PROGRAMS
    programs: dict[str, str] = {}
    for path in (f"{folder}/{name}" for folder in search.split(":") for name in names):
        if path.startswith("/") and os.access(f"{root}{path}", os.X_OK):
            programs.setdefault(f"/usr/bin/{os.path.basename(path)}", path)
    binds = [(path, path) for path in devices] + [(path, target) for target, path in programs.items()]
    return Driver(tuple(each for each in libraries if each not in left), tuple(binds))


def _listed(root: str) -> str:
    return next(filter(None, (nodes.text(f"{root}{path}") for path in _LISTS)), "")


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


def left_out(found: Iterable[Clash], glibc: str) -> list[str]:
    """What to say of libraries that the container does not get."""
    names = ", ".join(f"{os.path.basename(each.library)} (needs {each.needs})" for each in found)
    said = [f"of the host's driver is left out what the image's glibc {glibc} is too old for: {names}"]
    lacking = [os.path.basename(each.library) for each in found if each.fatal]
    if lacking:
        said.append(f"no program can use the GPU unless the image has its own {' and '.join(lacking)}")
    return said


def refusal(image: str, glibc: str, found: Iterable[Clash]) -> JobwrapError:
    """The failure for an image whose glibc is too old for this node's driver."""
    worst = max(found, key=lambda clash: version_key(clash.needs))
    facts = {"library": worst.library, "needs": worst.needs, "has": glibc}
    return JobwrapError("image.driver_clash", image=image, **facts)

"""Whether a runtime works, by trying: containers of the node's own /usr, so no image is needed.

Takes about a second: for `jobwrap node --test`, never on the way to a launch. Held against Apptainer
without setuid; a setuid one, SingularityCE and Singularity 3 were not at hand.
"""

from __future__ import annotations

import os
import re
import tempfile
from typing import NamedTuple

from jobwrap.node.dialect import ask_version, dialect_of
from jobwrap.node.probe import Hung
from jobwrap.node.program import Ran, run
from jobwrap.node.runtime import Runtime

SETUID, USER_NAMESPACES = "setuid", "user namespaces"
_PROVES = 37  # an exit code that neither a runtime nor a shell makes of itself
_SCRIPT = f"readlink /proc/self/ns/user /proc/self/ns/pid; cat /proc/self/mountinfo; exit {_PROVES}"
_FLAGS = ("exec", "--contain", "--ipc", "--cleanenv", "--no-home")
_MOUNT_POINTS = ("proc", "sys", "dev", "tmp", "etc", "root", "home", "var/tmp")
_OF_THE_NODE = ("usr", "bin", "sbin", "lib", "lib32", "lib64")
_UNPACKED = "temporary sandbox"  # what the runtime says when it cannot mount an image file


class Trial(NamedTuple):
    """What one runtime can do here; problem: why it cannot start a container, "" if it can.

    version  "1.4.5"; product: "apptainer", "singularity" or "singularity-ce", as it calls itself
    mode     "setuid" or "user namespaces"
    pid      whether it can give the task a PID namespace
    layer    how it adds mount points that an image lacks: "overlay", "fuse-overlayfs", "underlay" or ""
    sif      whether it can mount an image file; None where that could not be tried (no mksquashfs)
    """

    runtime: Runtime
    version: str = ""
    product: str = ""
    problem: str = ""
    mode: str = ""
    pid: bool = False
    layer: str = ""
    sif: bool | None = None


def try_runtime(runtime: Runtime, deadline: float) -> Trial:
    """Starts some containers, each with `deadline` seconds, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="jobwrap-trial-") as folder:
        return _Trials(runtime, folder, deadline).all()


class _Trials:
    """The containers of one runtime."""

    def __init__(self, runtime: Runtime, folder: str, deadline: float) -> None:
        self.runtime, self.folder, self.deadline = runtime, folder, deadline
        self.image, self.binds = _make_image(folder)
        self.flags: tuple[str, ...] = _FLAGS

    def all(self) -> Trial:
        product, version = self._told()
        trial = Trial(self.runtime, version, product)
        if dialect := dialect_of(product, version):
            self.flags = (*_FLAGS, *dialect.flags)
        plain = self._start(self.image, "--pid")
        if not _worked(plain):
            plain = self._start(self.image)
        if not _worked(plain):
            return trial._replace(problem=_last_words(plain.errors) or "it ended without a word")
        user, pid, *_ = plain.out.splitlines()
        layered = self._start(self.image, "--bind", f"{self.folder}:/no-such-mount-point")
        return trial._replace(
            mode=SETUID if user == os.readlink("/proc/self/ns/user") else USER_NAMESPACES,
            pid=pid != os.readlink("/proc/self/ns/pid"),
            layer=_layer(layered.out) if _worked(layered) else "",
            sif=self._mounts_files(),
        )

    def _told(self) -> tuple[str, str]:
        try:
            return ask_version(self.runtime.path, self.deadline)
        except (Hung, RuntimeError):
            return "", ""  # what it can do is seen by trying

    def _start(self, image: str, *flags: str) -> Ran:
        words = (*self.flags, *self.binds, *flags, image, "/bin/sh", "-c", _SCRIPT)
        return self._execute(self.runtime.path, *words)

    def _mounts_files(self) -> bool | None:
        """A SIF is a squashfs with a header: it is mounted in the same way as a bare one."""
        file = f"{self.folder}/image.sqfs"
        self._execute("mksquashfs", self.image, file, "-quiet", "-no-progress")
        if not os.path.exists(file):
            return None
        ran = self._start(file)
        return _worked(ran) and _UNPACKED not in ran.errors

    def _execute(self, *argv: str) -> Ran:
        return run(argv, self.folder, self.deadline)


def _make_image(folder: str) -> tuple[str, list[str]]:
    """A sandbox that has nothing but mount points and the node's links, and the flags that fill it."""
    image, binds = f"{folder}/image", []
    for name in (*_MOUNT_POINTS, *_OF_THE_NODE):
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{image}/{name}")
        elif name in _MOUNT_POINTS or os.path.isdir(f"/{name}"):
            os.makedirs(f"{image}/{name}")
        if name in _OF_THE_NODE and os.path.isdir(f"/{name}") and not os.path.islink(f"/{name}"):
            binds += ["--bind", f"/{name}"]
    return image, binds


def _layer(mountinfo: str) -> str:
    """What the container's root folder is made of."""
    for line in mountinfo.splitlines():
        fields, _, of = line.partition(" - ")
        if fields.split()[4:5] == ["/"]:
            kind = of.split()[0] if of else ""
            return {"overlay": "overlay", "fuse.fuse-overlayfs": "fuse-overlayfs"}.get(kind, "underlay")
    return ""


def _worked(ran: Ran) -> bool:
    return ran.code == _PROVES


def _last_words(errors: str) -> str:
    """The last line that says something, without colours and level."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in errors.splitlines()]
    said = [line for line in lines if line]
    return re.sub(r"^(FATAL|ERROR)\s*:\s*", "", said[-1]) if said else ""

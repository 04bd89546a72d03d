"""Whether a runtime works, by trying: containers of the node's own /usr, so no image is needed.

Takes about a second: for `jobwrap node --test`, never on the way to a launch. Held against Apptainer
without setuid; a setuid one, SingularityCE and Singularity 3 were not at hand.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from typing import Any, NamedTuple

from jobwrap.node.runtime import Runtime

SETUID, USER_NAMESPACES = "setuid", "user namespaces"
_PROVES = 37  # an exit code that neither a runtime nor a shell makes of itself
_SCRIPT = f"readlink /proc/self/ns/user /proc/self/ns/pid; cat /proc/self/mountinfo; exit {_PROVES}"
_FLAGS = ("exec", "--contain", "--ipc", "--cleanenv", "--no-home")
_MOUNT_POINTS = ("proc", "sys", "dev", "tmp", "etc", "root", "home", "var/tmp")
_OF_THE_NODE = ("usr", "bin", "sbin", "lib", "lib32", "lib64")
_UNPACKED = "temporary sandbox"  # what the runtime says when it cannot mount an image file
_VERSION = re.compile(r"(\S+) version (\d\S*)")


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


class _Run(NamedTuple):
    worked: bool
    out: str
    errors: str


def try_runtime(runtime: Runtime, deadline: float) -> Trial:
    """Starts some containers, each with `deadline` seconds, in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="jobwrap-trial-") as folder:
        return _Trials(runtime, folder, deadline).all()


class _Trials:
    """The containers of one runtime."""

    def __init__(self, runtime: Runtime, folder: str, deadline: float) -> None:
        self.runtime, self.folder, self.deadline = runtime, folder, deadline
        self.image, self.binds = _make_image(folder)

    def all(self) -> Trial:
        told = self._execute(self.runtime.path, "--version")
        found = _VERSION.search(told.out)
        trial = Trial(self.runtime, *((found[2], found[1]) if found else ("", "")))
        plain = self._start(self.image, "--pid")
        if not plain.worked:
            plain = self._start(self.image)
        if not plain.worked:
            return trial._replace(problem=_last_words(plain.errors) or "it ended without a word")
        user, pid, *_ = plain.out.splitlines()
        layered = self._start(self.image, "--bind", f"{self.folder}:/no-such-mount-point")
        return trial._replace(
            mode=SETUID if user == os.readlink("/proc/self/ns/user") else USER_NAMESPACES,
            pid=pid != os.readlink("/proc/self/ns/pid"),
            layer=_layer(layered.out) if layered.worked else "",
            sif=self._mounts_files(),
        )

    def _start(self, image: str, *flags: str) -> _Run:
        return self._execute(self.runtime.path, *_FLAGS, *self.binds, *flags, image, "/bin/sh", "-c", _SCRIPT)

    def _mounts_files(self) -> bool | None:
        """A SIF is a squashfs with a header: it is mounted in the same way as a bare one."""
        file = f"{self.folder}/image.sqfs"
        self._execute("mksquashfs", self.image, file, "-quiet", "-no-progress")
        if not os.path.exists(file):
            return None
        run = self._start(file)
        return run.worked and _UNPACKED not in run.errors

    def _execute(self, *argv: str) -> _Run:
        return _execute(argv, self.folder, self.deadline)


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


def _execute(argv: Sequence[str], home: str, deadline: float) -> _Run:
    """Runs a program in a session of its own, which is killed as a whole at the deadline."""
    environ = {"PATH": os.environ.get("PATH", os.defpath), "HOME": home, "LC_ALL": "C"}
    pipes: dict[str, Any] = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    }
    try:
        process = subprocess.Popen(
            argv, env=environ, start_new_session=True, text=True, errors="replace", **pipes
        )
    except OSError as error:
        return _Run(False, "", error.strerror or str(error))
    try:
        out, errors = process.communicate(timeout=deadline)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return _Run(False, "", f"{argv[0]} did not end within {deadline:g} s")
    return _Run(process.returncode == _PROVES, out, errors)


def _last_words(errors: str) -> str:
    """The last line that says something, without colours and level."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in errors.splitlines()]
    said = [line for line in lines if line]
    return re.sub(r"^(FATAL|ERROR)\s*:\s*", "", said[-1]) if said else ""

"""The Pythons at hand to make bytecode with: the system's, pyenv's, the worker nodes', those in PATH."""

from __future__ import annotations

import ast
import marshal
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

_LIBRARIES = f"{os.uname().machine}-linux-gnu"
_COMPILE = Path(__file__).with_name("compile.py")
_ASK = """import sys, _frozen_importlib_external as external
print((sys.implementation.name, sys.version_info[:4], external.MAGIC_NUMBER))"""


class Python(NamedTuple):
    """One that runs here; magic is the first two bytes of its bytecode files, which tell its kind."""

    name: str
    version: tuple[int, int]
    magic: bytes
    command: tuple[str, ...]
    environment: dict[str, str]

    def compile(
        self, apart: dict[str, bytes], parts: list[dict[str, bytes]]
    ) -> tuple[dict[str, bytes], list[bytes]]:
        """Path → bytecode of those apart, and the bytecode of each part in one; see compile.py."""
        # Without columns: a tenth of the bytecode, for carets in tracebacks.
        command = (*self.command, "-S", "-B", "-X", "no_debug_ranges", str(_COMPILE))
        compiled: tuple[dict[str, bytes], list[bytes]]
        compiled = marshal.loads(_output(command, self.environment, marshal.dumps((apart, parts))))
        return compiled


def pythons_at_hand(nodes: Path) -> list[Python]:
    """One CPython for each version from 3.9 on, oldest first; the same ones in each run on one machine."""
    found: dict[tuple[int, int], Python] = {}
    for command, environment in _candidates(nodes):
        python = _ask(command, environment)
        if python and python.version >= (3, 9):
            found.setdefault(python.version, python)
    return [found[version] for version in sorted(found)]


def _candidates(nodes: Path) -> list[tuple[tuple[str, ...], dict[str, str]]]:
    """Commands, each with the environment it needs; PATH last, since it differs from shell to shell."""
    folders = [Path("/usr/bin"), Path("/usr/local/bin"), *sorted(Path.home().glob(".pyenv/versions/*/bin"))]
    candidates: list[tuple[tuple[str, ...], dict[str, str]]] = []
    candidates += [((str(path),), {}) for folder in folders for path in _pythons_in(folder)]
    roots = sorted(nodes.glob("*-????????????????"))
    candidates += [_on_node(root, path) for root in roots for path in _pythons_in(root / "usr/bin")]
    others = [Path(folder) for folder in os.get_exec_path() if not folder.endswith("/shims")]
    return candidates + [((str(path),), {}) for folder in others for path in _pythons_in(folder)]


def _pythons_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("python3.?")) + sorted(folder.glob("python3.??"))


def _on_node(root: Path, path: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """By the root file system's own loader and libraries: no chroot, so no need to be root."""
    folders = [root / "lib" / _LIBRARIES, root / "usr/lib" / _LIBRARIES]
    loader = next(folders[0].glob("ld-linux-*"), folders[0] / "no-loader")
    command = (str(loader), "--library-path", ":".join(map(str, folders)), str(path))
    return command, {"PYTHONHOME": str(root / "usr")}


def _ask(command: tuple[str, ...], environment: dict[str, str]) -> Python | None:
    try:
        name, version, magic = ast.literal_eval(_output((*command, "-S", "-c", _ASK), environment).decode())
    except (OSError, subprocess.SubprocessError, ValueError, SyntaxError):
        return None
    if name != "cpython" or version[3] != "final":
        return None
    return Python(f"cpython-{version[0]}{version[1]}", tuple(version[:2]), magic[:2], command, environment)


def _output(command: tuple[str, ...], environment: dict[str, str], given: bytes = b"") -> bytes:
    # The order of sets goes into bytecode, and the hash seed into that order.
    ran = subprocess.run(
        command,
        env={"PYTHONHASHSEED": "0", **environment},
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=120,
        check=True,
    )
    return ran.stdout

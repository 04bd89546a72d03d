"""Run a program of the node's that says something and ends, or is ended."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from typing import Any, NamedTuple


class Ran(NamedTuple):
    """code: of its exit, negative for a signal; None where it did not start or did not end in time."""

    code: int | None
    out: str
    errors: str


def run(argv: Sequence[str], home: str, deadline: float) -> Ran:
    """Runs it in a session of its own, which is killed as a whole after `deadline` seconds."""
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
        return Ran(None, "", error.strerror or str(error))
    try:
        out, errors = process.communicate(timeout=deadline)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return Ran(None, "", f"{argv[0]} did not end within {deadline:g} s")
    return Ran(process.returncode, out, errors)

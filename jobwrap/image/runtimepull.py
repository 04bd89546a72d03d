"""The container runtime pulls: one image of a registry becomes a SIF file."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping

from jobwrap.failures import JobwrapError
from jobwrap.node.survey import Node

DEADLINE = 3600.0  # seconds for one image, waiting for another slot's pull included
# What the runtime may see of the environment: how to reach and to log in to a registry.
_PASSED = re.compile(
    r"(?:APPTAINER|SINGULARITY)_(?:DOCKER_(?:USERNAME|PASSWORD)|REGISTRY_.*|LIBRARY_.*)"
    r"|DOCKER_CONFIG|REGISTRY_AUTH_FILE|HOME|PATH|SSL_CERT_(?:FILE|DIR)|(?:HTTPS?|NO|ALL)_PROXY",
    re.IGNORECASE,
)
# Words of registries and runtimes for an image that is not there, or not for this user.
_UNKNOWN = re.compile(
    r"not found|(?:manifest|name) unknown|unauthori[sz]ed|authentication required|denied|\b40[134]\b", re.I
)


def pull(reference: str, path: str, node: Node, environ: Mapping[str, str]) -> float:
    """Lets the runtime make the SIF file at `path`; the seconds that took. Nothing is left of a failure."""
    if node.runtime is None:
        raise JobwrapError("image.unreachable", image=reference, problem="no container runtime can pull it")
    work = f"{path}.work"
    os.makedirs(work, mode=0o700, exist_ok=True)
    variables = {name: value for name, value in environ.items() if _PASSED.fullmatch(name)}
    variables.update(APPTAINER_TMPDIR=work, SINGULARITY_TMPDIR=work, TMPDIR=work)
    # The layers would fill the user's home folder, and this node's cache keeps what is made of them.
    flags = (*node.runtime.flags, "--disable-cache", "--force")
    command = [node.runtime.path, "--quiet", "pull", *flags, path, reference]
    begin = time.monotonic()
    pulling = subprocess.Popen(
        command,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, said = pulling.communicate(timeout=DEADLINE)
        if pulling.returncode:
            raise _refused(reference, said.decode(errors="replace"))
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pulling.pid, signal.SIGKILL)
        pulling.wait()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        if isinstance(error, subprocess.TimeoutExpired):
            problem = f"it did not arrive within {DEADLINE:g} s"
            raise JobwrapError("image.unreachable", image=reference, problem=problem) from error
        raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return time.monotonic() - begin


def _refused(reference: str, said: str) -> JobwrapError:
    lines = [re.sub(r"\x1b\[\d*m|^FATAL:\s*", "", line).strip() for line in said.splitlines()]
    problem = next((line for line in reversed(lines) if line), "the runtime gave no reason")[:500]
    if _UNKNOWN.search(problem):
        return JobwrapError("image.not_found", image=reference, near=f" ({problem})")
    return JobwrapError("image.unreachable", image=reference, problem=problem)

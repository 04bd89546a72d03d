"""The shipped file, how tests make it and look into it; the Pythons and shells that are at hand."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from jobwrap import __version__
from jobwrap.failures import FAILURES
from tests import seen

REPO = Path(__file__).parents[2]
NO_PYTHON = FAILURES["site.no_python"]
PLACES = b"/usr/bin /usr/local/bin"
HELLO = f"jobwrap {__version__}\n"


def named(pattern):
    """Pythons here by the name of their version: {"3.9": path}."""
    folders = [Path("/usr/bin"), Path("/usr/local/bin"), *sorted(Path.home().glob(".pyenv/versions/*/bin"))]
    found = {}
    for path in (path for folder in folders for path in sorted(folder.glob("python?.*"))):
        if version := re.fullmatch(pattern, path.name):
            found.setdefault(version[1], path)
    return found


PYTHONS = named(r"python(3\.(?:9|\d\d))")
OLD_PYTHONS = named(r"python(2\.\d|3\.[0-8])")
each_python = pytest.mark.parametrize("python", PYTHONS.values(), ids=PYTHONS.keys())
each_shell = pytest.mark.parametrize(
    "shell", [name for name in ("dash", "bash", "busybox") if shutil.which(name)]
)


def run(*command, env=None, **more):
    """Runs the command with an empty environment unless one is given."""
    command = [str(word) for word in command]
    ran = subprocess.run(
        command, env=env or {}, capture_output=True, text=True, timeout=600, check=False, **more
    )
    seen.words(ran.stderr)
    return ran


def build(tree, target, **environment):
    kept = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "XDG_CACHE_HOME", "JOBWRAP_WORKER_NODE")
        if name in os.environ
    }
    ran = run(tree / "bin/build", target, env={**kept, **environment})
    assert ran.returncode == 0, ran.stderr


def copy_of_tree(tree, target):
    ignored = shutil.ignore_patterns(".git", "dist", "tests", "__pycache__", ".*_cache")
    return Path(shutil.copytree(tree, target, ignore=ignored))


def program(path, script):
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def start_of(shipped):
    """The program that the shell lines start Python with: from the place that they name."""
    whole = shipped.read_bytes()
    at, size = map(int, re.search(rb"f\.seek\( *(\d+)\); exec\(f\.read\( *(\d+)\)\)", whole).groups())
    return whole[at : at + size].decode()


def with_program(shipped, code):
    """The same, but with code in place of jobwrap's own program; its imports find what is in the file."""
    start = start_of(shipped)
    changed = start.replace("from jobwrap.__main__ import program\n\nprogram()\n", code)
    assert changed != start
    return f"import sys\ndel sys.argv[0]\n{changed}"


def within(shipped, python, code, *arguments, **more):
    ran = run(python, "-I", "-S", "-c", with_program(shipped, code), shipped, *arguments, **more)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout

"""Real processes for tests: Python programs that say when they are ready, and are gone at the end."""

import contextlib
import subprocess
import sys

# Ends a program: it says that it is ready, and lives as long as its stdin.
READY = "\nprint('ready', flush=True); import sys; sys.stdin.read()\n"


@contextlib.contextmanager
def running(program, ready=1):
    """The Popen of a Python program, once it and its children have printed so many lines."""
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        for _ in range(ready):
            assert process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.stdin.close()  # and so end its children, which have it, too
        with process.stdout:
            process.stdout.read()
        process.wait(timeout=60)


def child(program):
    """A program that starts another as its child and waits for it."""
    return f"import subprocess, sys\nsubprocess.call([sys.executable, '-c', {program!r}])\n"

"""The program: jobwrap's main(), and then the shortest way out."""

from __future__ import annotations

import os
import sys

from jobwrap.cli import main

_UNWRITABLE = 74  # EX_IOERR of sysexits.h


def program() -> None:
    """Runs jobwrap and ends this process with its exit code.

    Not by sys.exit(): Python then takes all its modules apart, which adds 10 ms to every job.
    """
    code = main()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream:
                stream.flush()
        except OSError:
            code = code or _UNWRITABLE
    os._exit(code)


if __name__ == "__main__":
    program()

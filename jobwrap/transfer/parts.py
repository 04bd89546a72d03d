"""Names of files in the making, and the removal of those that were given up."""

from __future__ import annotations

import itertools
import os

_count = itertools.count()


def prefix() -> str:
    """What the names of one piece of work begin with: short, since NAME_MAX counts, and nobody else's."""
    return f".jobwrap-{os.getpid()}-{next(_count)}-"


def remove_parts(folder: str, prefix: str) -> None:
    """All of them in `folder`, which need not be there."""
    try:
        left = [name for name in os.listdir(folder) if name.startswith(prefix)]
    except OSError:
        return  # there is none, or it was never made
    for name in left:
        path = os.path.join(folder, name)
        if os.path.isdir(path):
            import shutil

            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)

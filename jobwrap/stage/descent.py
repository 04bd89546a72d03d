"""The way down into folders that a task may have made links of."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable


def descend(top: int, folders: Iterable[str], step: Callable[[int, str], int]) -> int:
    """A descriptor of the last of these folders; step(descriptor, name) opens each in the one before.

    It is the caller's to close; what step() raises is raised.
    """
    at = os.dup(top)
    try:
        for name in folders:
            at, above = step(at, name), at
            os.close(above)
    except BaseException:
        os.close(at)
        raise
    return at

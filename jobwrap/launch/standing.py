"""A container that does not stand yet: when that takes long, whether it still can is asked.

A runtime on a file system that hangs never comes back, not even under SIGKILL.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from jobwrap.failures import JobwrapError

_LONGEST = 600.0  # seconds; a large image from far away may take minutes


class Standing:
    """look: what is wrong with what the container starts from, None for nothing; asked every `patience` s."""

    def __init__(self, look: Callable[[], JobwrapError | None], patience: float) -> None:
        self._look, self._patience = look, patience
        self._began = time.monotonic()
        self._next = self._began + patience

    def left(self) -> float:
        """Seconds until problem() has something to do."""
        return max(0.0, self._next - time.monotonic())

    def problem(self) -> JobwrapError | None:
        """Why it will never stand, None while it may yet."""
        if self.left():
            return None
        found = self._look()
        now = time.monotonic()
        self._next = now + self._patience
        if found is None and now - self._began > _LONGEST:
            problem = f"it did not bring it about within {_LONGEST:g} s"
            found = JobwrapError("site.runtime_failed", runtime="the runtime", problem=problem)
        return found

"""What only the C library can do: its functions, called where there are such."""

from __future__ import annotations

import os

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER, linux/prctl.h


def adopt_orphans() -> None:
    """Makes this process the parent of what its descendants leave behind.

    Where that cannot be, what is left is the first process's to adopt.
    """
    _call("prctl", _SUBREAPER, 1, 0, 0, 0)


def give_back_memory() -> None:
    """Hands the system what is free in the heap; takes a tenth of a millisecond.

    By itself the library does so only at the heap's end, and once large blocks were freed not before many MB.
    """
    _call("malloc_trim", 0)


def _call(name: str, *numbers: int) -> None:
    try:
        import _ctypes  # what ctypes itself is made of, without the 6 ms that its import takes

        everything = _ctypes.dlopen(None, os.RTLD_NOW)  # type: ignore[arg-type]  # this process
        _ctypes.call_function(_ctypes.dlsym(everything, name), numbers)
    except (ImportError, OSError, AttributeError, TypeError):
        pass  # a Python without it, or another library

"""What only the C library can do: its functions, called where there are such."""

from __future__ import annotations

import os
import sys

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER, linux/prctl.h
_SIGNALS = 128  # bytes of a sigset_t


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


def see_pending(number: int) -> int:
    """A descriptor that is readable while this signal, which has to be blocked, is pending; -1 for none."""
    signals = (1 << (number - 1)).to_bytes(_SIGNALS, sys.byteorder)
    return _call("signalfd", -1, signals, os.O_CLOEXEC)


def _call(name: str, *arguments: int | bytes) -> int:
    """What it returns; -1 where it cannot be called."""
    try:
        import _ctypes  # what ctypes itself is made of, without the 6 ms that its import takes

        everything = _ctypes.dlopen(None, os.RTLD_NOW)  # type: ignore[arg-type]  # this process
        returned: int = _ctypes.call_function(_ctypes.dlsym(everything, name), arguments)
        return returned
    except (ImportError, OSError, AttributeError, TypeError):
        return -1  # a Python without it, or another library

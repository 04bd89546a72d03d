"""Whether an ordinary user may make user namespaces here, on which a runtime without setuid stands.

Sources: user_namespaces(7); Debian's and Ubuntu's kernels for the two sysctls that others do not have.
"""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

from jobwrap.node import files, probe

_NEW_USER = 0x10000000  # CLONE_NEWUSER of linux/sched.h
_RESTRICTED = "kernel.apparmor_restrict_unprivileged_userns is 1"
_PROFILES = ("apptainer", "singularity-ce", "singularity")


class Namespaces(NamedTuple):
    """possible: None where only a try can tell; why: what forbids or restricts it, "" if nothing does."""

    possible: bool | None
    why: str


def find_namespaces(root: str = "/") -> Namespaces:
    """By what the kernel's settings say; nothing is tried."""
    if "user" not in files.names(f"{root}/proc/self/ns"):
        return Namespaces(False, "the kernel has no user namespaces")
    for path in ("user/max_user_namespaces", "kernel/unprivileged_userns_clone"):
        if files.line(f"{root}/proc/sys/{path}") == "0":
            return Namespaces(False, f"{path.replace('/', '.')} is 0")
    if files.line(f"{root}/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        profiles = [name for name in files.names(f"{root}/etc/apparmor.d") if name in _PROFILES]
        if profiles:
            return Namespaces(True, f"{_RESTRICTED}, and {profiles[0]} has a profile")
        return Namespaces(False, f"{_RESTRICTED}, and no runtime has an AppArmor profile")
    if files.table(f"{root}/proc/self/status", ":").get("Seccomp") == "2":
        return Namespaces(None, "a seccomp filter may forbid them, as docker's does")
    return Namespaces(True, "")


def try_namespaces(deadline: float = 10.0) -> Namespaces:
    """By making one, in a probe; what AppArmor lets a runtime do, it may still not let us."""
    try:
        number = probe.ask(_make_one, deadline=deadline, what="the making of a user namespace")
    except (probe.Hung, RuntimeError) as error:
        return Namespaces(None, str(error))
    if not number:
        return Namespaces(True, "")
    hint = " (there are too many already)" if number == errno.ENOSPC else ""
    return Namespaces(False, f"unshare: {os.strerror(number)}{hint}")


def _make_one() -> int:
    """The error number, 0 if it could be made."""
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    return ctypes.get_errno() if library.unshare(_NEW_USER) else 0

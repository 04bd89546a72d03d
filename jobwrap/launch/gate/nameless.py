"""Files without a name: in memory, or unlinked on disk where this Python or this kernel has none in memory.

Conda's Python, for one, was long built for a C library without memfd_create, and vm.memfd_noexec=2
forbids programs in memory.
"""

from __future__ import annotations

import fcntl
import os

from jobwrap.failures import JobwrapError

# linux/memfd.h; from Linux 6.3, where the system may ask that one of the two is said.
_NOEXEC_SEAL, _EXEC = 0x8, 0x10
_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")


def nameless_file(name: str, folder: str) -> int:
    """A descriptor of an empty file to write to and read from; on disk only in `folder` or its like."""
    try:
        return _in_memory(name, _NOEXEC_SEAL)
    except (AttributeError, OSError):
        return _on_disk(folder, os.ST_RDONLY)


def nameless_program(name: str, content: bytes, folder: str) -> int:
    """A descriptor of a program that nobody can change any more."""
    try:
        descriptor = _in_memory(name, _EXEC)
    except (AttributeError, OSError):
        return _program_on_disk(content, folder)
    write_all(descriptor, content)
    # The runtime's first process keeps a copy, and a task could write to the running program by that.
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    return descriptor


def write_all(descriptor: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(descriptor, left) :]


def _in_memory(name: str, purpose: int) -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create(name, flags | purpose)
    except OSError:  # a kernel that does not know the purpose, or one that forbids it
        return os.memfd_create(name, flags)


def _program_on_disk(content: bytes, folder: str) -> int:
    written = _on_disk(folder, os.ST_RDONLY | os.ST_NOEXEC)
    write_all(written, content)
    # The kernel executes nothing that is open for writing.
    descriptor = os.open(f"/proc/self/fd/{written}", os.O_RDONLY | os.O_CLOEXEC)
    os.close(written)
    return descriptor


def _on_disk(folder: str, unfit: int) -> int:
    """In the first folder that can be written and whose mount has none of the unfit flags."""
    for each in (folder, *_FOLDERS):
        path = os.path.join(each, f".jobwrap-{os.urandom(8).hex()}")
        try:
            if os.statvfs(each).f_flag & unfit:
                continue
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o700)
            os.unlink(path)
            return descriptor
        except OSError:
            continue
    raise JobwrapError(
        "site.scratch", path=folder, problem="no program may run there, nor in /tmp or in memory"
    )

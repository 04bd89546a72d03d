"""Find and deliver the outputs once no process of the task is left.

The task was hostile to whoever reads its files: each path component is opened without following
links, and only regular files are read.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Output
from jobwrap.transfer.options import Options

_SHOWN = 20  # names in the list of what is there instead of a missing output


class Delivered(NamedTuple):
    """One file of an output: its path in scratch, where it went ("" stays in scratch), its bytes."""

    name: str
    url: str
    bytes: int


def stage_out(outputs: tuple[Output, ...], scratch: str, options: Options) -> list[Delivered]:
    """Delivers all outputs; JobwrapError output.missing, output.refused or output.undelivered.

    All of them are looked at before the first is delivered.
    """
    top = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
    try:
        found = [(output, sorted(_find(top, output.name))) for output in outputs]
        for output, names in found:
            if not names:
                raise JobwrapError("output.missing", name=output.name, present=_present(scratch))
        done = []
        for output, names in found:
            for name in names:
                done.append(_deliver(top, output, name, options))
        return done
    finally:
        os.close(top)


def _deliver(top: int, output: Output, name: str, options: Options) -> Delivered:
    file = _open(top, name)
    try:
        if not output.url:
            return Delivered(name, "", os.fstat(file).st_size)
        from jobwrap.transfer.deliver import deliver

        # By the descriptor that was judged, not by a name that may mean another file by now.
        done = deliver(f"/proc/self/fd/{file}", _destination(output, name), options)
        return Delivered(name, done.url, done.bytes)
    finally:
        os.close(file)


def _destination(output: Output, name: str) -> str:
    """A single file goes to the URL itself, those of a folder, a glob or a URL with a slash below it."""
    if name == output.name and not output.url.endswith("/"):
        return output.url
    below = name[len(output.name) + 1 :] if name.startswith(output.name + "/") else name.rpartition("/")[2]
    return f"{output.url.rstrip('/')}/{below}"


def _find(top: int, pattern: str) -> Iterator[str]:
    """The regular files that a name, a folder or a glob means, as paths relative to the scratch folder."""
    if any(mark in pattern for mark in "*?["):
        depth = pattern.count("/")
        folder = "/".join(pattern.split("/")[:-1])
        if any(mark in folder for mark in "*?["):
            candidates = (name for name in _walk(top, "") if name.count("/") == depth)
        else:
            candidates = (f"{folder}/{name}".lstrip("/") for name in _names(top, folder))
        for name in candidates:
            if fnmatch.fnmatchcase(name, pattern) and not name.startswith(".jobwrap"):
                yield from _find(top, name)
        return
    try:
        mode = _stat(top, pattern)
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        yield from _walk(top, pattern)
    else:
        yield pattern


def _walk(top: int, folder: str) -> Iterator[str]:
    for each in _names(top, folder):
        name = f"{folder}/{each}" if folder else each
        if name == ".jobwrap":
            continue
        if stat.S_ISDIR(_stat(top, name)):
            yield from _walk(top, name)
        else:
            yield name


def _names(top: int, folder: str) -> list[str]:
    try:
        opened = _open(top, folder, os.O_DIRECTORY) if folder else os.dup(top)
    except FileNotFoundError:
        return []
    try:
        return sorted(os.listdir(opened))
    finally:
        os.close(opened)


def _stat(top: int, name: str) -> int:
    folder, _, last = name.rpartition("/")
    opened = _open(top, folder, os.O_DIRECTORY) if folder else os.dup(top)
    try:
        return os.stat(last, dir_fd=opened, follow_symlinks=False).st_mode
    finally:
        os.close(opened)


def _open(top: int, name: str, flags: int = 0) -> int:
    """Opens a path below `top`, none of whose components may be a link; a file must be a regular one."""
    at = os.dup(top)
    try:
        parts = name.split("/")
        for part in parts[:-1]:
            at = _replace(at, os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=at))
        # O_NONBLOCK: a FIFO would wait for someone to write to it.
        opened = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | flags, dir_fd=at)
    except FileNotFoundError:
        raise
    except OSError as error:
        problem = (
            "a link stands in its path"
            if error.errno in (errno.ELOOP, errno.ENOTDIR)
            else str(error.strerror)
        )
        raise JobwrapError("output.refused", name=name, problem=problem) from error
    finally:
        os.close(at)
    mode = os.fstat(opened).st_mode
    if not flags & os.O_DIRECTORY and not stat.S_ISREG(mode):
        os.close(opened)
        raise JobwrapError("output.refused", name=name, problem="it is neither a plain file nor a folder")
    return opened


def _replace(old: int, new: int) -> int:
    os.close(old)
    return new


def _present(scratch: str) -> str:
    names = [name for name in sorted(os.listdir(scratch)) if name != ".jobwrap"]
    shown = ", ".join(names[:_SHOWN]) or "nothing"
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")

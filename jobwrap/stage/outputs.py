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

from jobwrap import control
from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Output
from jobwrap.transfer.options import Options

_SHOWN = 20  # names in the list of what is there instead of a missing output


class Delivered(NamedTuple):
    """One file of an output: its path in scratch, where it went ("" stays in scratch), its bytes."""

    name: str
    url: str
    bytes: int


Identities = frozenset[tuple[int, int]]  # device and number of files


def stage_out(
    outputs: tuple[Output, ...], scratch: str, options: Options, secret: Identities = frozenset()
) -> list[Delivered]:
    """Delivers all outputs; JobwrapError output.missing, output.refused or output.undelivered.

    All of them are looked at before the first is delivered. Files that are `secret` are no outputs.
    """
    top = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
    try:
        found = [(output, sorted(_find(top, output.name, secret))) for output in outputs]
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


def _find(top: int, pattern: str, secret: Identities) -> Iterator[str]:
    """The files that a name, a folder or a pattern means, as paths relative to the scratch folder."""
    for name in _expand(top, "", pattern.split("/")):
        try:
            for file, status in _walk(top, name):
                if (status.st_dev, status.st_ino) not in secret:
                    yield file
                elif file == pattern:
                    raise JobwrapError("output.refused", name=name, problem="it is a credential")
        except FileNotFoundError:
            continue


def _expand(top: int, folder: str, parts: list[str]) -> Iterator[str]:
    """The names that a pattern may mean, one part of its path after the other, as a shell does it."""
    part, rest = parts[0], parts[1:]
    names = [part]
    if any(mark in part for mark in "*?["):
        names = [name for name in _names(top, folder) if fnmatch.fnmatchcase(name, part)]
    for name in names:
        path = f"{folder}/{name}" if folder else name
        yield from _expand(top, path, rest) if rest else (path,)


def _walk(top: int, name: str) -> Iterator[tuple[str, os.stat_result]]:
    """The file, or all that is below the folder."""
    status = _stat(top, name)
    if not stat.S_ISDIR(status.st_mode):
        yield name, status
        return
    for each in _names(top, name):
        yield from _walk(top, f"{name}/{each}")


def _names(top: int, folder: str) -> list[str]:
    """What is in a folder, none where it is none; jobwrap's own is in nobody's sight."""
    try:
        opened = _open(top, folder, os.O_DIRECTORY) if folder else os.dup(top)
    except FileNotFoundError:
        return []
    try:
        return sorted(name for name in os.listdir(opened) if folder or name != control.NAME)
    finally:
        os.close(opened)


def _stat(top: int, name: str) -> os.stat_result:
    folder, _, last = name.rpartition("/")
    opened = _open(top, folder, os.O_DIRECTORY) if folder else os.dup(top)
    try:
        return os.stat(last, dir_fd=opened, follow_symlinks=False)
    finally:
        os.close(opened)


def _open(top: int, name: str, flags: int = 0) -> int:
    """Opens a path below `top`, none of whose components may be a link; a file must be a regular one.

    FileNotFoundError where it is not there, JobwrapError output.refused where it may not be read.
    """
    at = os.dup(top)
    *folders, last = name.split("/")
    try:
        for part in folders:
            at, above = _open_part(at, part, os.O_DIRECTORY, name), at
            os.close(above)
        # O_NONBLOCK: a FIFO would wait for someone to write to it.
        opened = _open_part(at, last, os.O_NONBLOCK | flags, name)
    finally:
        os.close(at)
    if not flags & os.O_DIRECTORY and not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise JobwrapError("output.refused", name=name, problem="it is neither a plain file nor a folder")
    return opened


def _open_part(at: int, part: str, flags: int, name: str) -> int:
    try:
        return os.open(part, os.O_RDONLY | os.O_NOFOLLOW | flags, dir_fd=at)
    except FileNotFoundError:
        raise
    except OSError as error:
        problem = str(error.strerror)
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            if not stat.S_ISLNK(os.stat(part, dir_fd=at, follow_symlinks=False).st_mode):
                raise FileNotFoundError from error  # a file, where the name wants a folder
            problem = "a link stands in its path"
        raise JobwrapError("output.refused", name=name, problem=problem) from error


def _present(scratch: str) -> str:
    names = [name for name in sorted(os.listdir(scratch)) if name != control.NAME]
    shown = ", ".join(names[:_SHOWN]) or "nothing"
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")

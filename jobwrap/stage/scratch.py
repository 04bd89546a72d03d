"""The scratch folder as it is read once the task is over.

The task was hostile to whoever reads its files: each component of a path is opened without following
links, and only regular files are read.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from jobwrap import control
from jobwrap.failures import JobwrapError
from jobwrap.stage.descent import descend

_DEEPEST = 200  # folders in each other
_FOLDER = os.O_RDONLY | os.O_DIRECTORY


class Scratch:
    """Names are paths relative to the folder, which `top` is open for; jobwrap's own is in nobody's sight.

    For a with block; JobwrapError site.scratch where it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        try:
            self.top = os.open(path, _FOLDER)
        except OSError as error:
            raise JobwrapError("site.scratch", path=path, problem=error.strerror) from error

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.top)

    def find(self, pattern: str) -> Iterator[str]:
        """The files that a name, a folder or a pattern means, none where there are none."""
        for name in self._expand("", pattern.split("/")):
            try:
                seen = self.look(name)
            except FileNotFoundError:
                continue
            if stat.S_ISDIR(seen.st_mode):
                yield from self.walk(name)
            else:
                yield name

    def _expand(self, folder: str, parts: list[str]) -> Iterator[str]:
        """The names that a pattern may mean, one part of its path after the other, as a shell does it."""
        part, rest = parts[0], parts[1:]
        names = [part]
        if is_pattern(part):
            # Only what asks for a dot gets one: batch systems keep credentials in such folders.
            there = [name for name, _ in self._names(folder) if name[0] != "." or part[0] == "."]
            from fnmatch import filter as matching  # which takes long to import

            names = matching(there, part) or names  # which may hold such marks itself
        for name in names:
            path = f"{folder}/{name}" if folder else name
            yield from self._expand(path, rest) if rest else (path,)

    def walk(self, folder: str = "") -> Iterator[str]:
        """All but folders in `folder` and below it; JobwrapError output.refused for a bottomless one."""
        waiting = [folder]
        while waiting:
            at = waiting.pop()
            if at.count("/") >= _DEEPEST:
                raise refused(folder, f"there are more than {_DEEPEST} folders in each other")
            for name, is_folder in self._names(at):
                path = f"{at}/{name}" if at else name
                if is_folder:
                    waiting.append(path)
                else:
                    yield path

    def _names(self, folder: str) -> list[tuple[str, bool]]:
        """What is in a folder, none where it is none, and whether that is a folder."""
        try:
            opened = self.open(folder, os.O_DIRECTORY) if folder else os.dup(self.top)
        except FileNotFoundError:
            return []
        try:
            with os.scandir(opened) as entries:
                found = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
        finally:
            os.close(opened)
        return [one for one in found if folder or one[0] != control.NAME]

    def look(self, name: str) -> os.stat_result:
        """Of itself, where it is a link; FileNotFoundError, JobwrapError output.refused as open()."""
        folder, _, last = name.rpartition("/")
        opened = self.open(folder, os.O_DIRECTORY) if folder else os.dup(self.top)
        try:
            return os.stat(last, dir_fd=opened, follow_symlinks=False)
        finally:
            os.close(opened)

    def open(self, name: str, flags: int = 0) -> int:
        """A descriptor for `name`, none of whose components may be a link; a file must be a regular one.

        FileNotFoundError where it is not there, JobwrapError output.refused where it may not be read.
        """
        *folders, last = name.split("/")
        at = descend(self.top, folders, lambda at, part: _open_part(at, part, os.O_DIRECTORY, name))
        try:
            # O_NONBLOCK: a FIFO would wait for someone to write to it.
            opened = _open_part(at, last, os.O_NONBLOCK | flags, name)
        finally:
            os.close(at)
        if not flags & os.O_DIRECTORY and not stat.S_ISREG(os.fstat(opened).st_mode):
            os.close(opened)
            raise refused(name, "it is neither a plain file nor a folder")
        return opened


def is_pattern(part: str) -> bool:
    return any(mark in part for mark in "*?[")


def refused(name: str, problem: str) -> JobwrapError:
    return JobwrapError("output.refused", name=name, problem=problem)


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
        raise refused(name, problem) from error

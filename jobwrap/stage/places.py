"""What stage-in puts into scratch that is no file of the task: mount points and links."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import TYPE_CHECKING

from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Job
from jobwrap.stage.descent import descend

if TYPE_CHECKING:
    from jobwrap.stage.plan import Bound

_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC


def put_links(scratch: str, inputs: Iterable[Bound]) -> None:
    """A link in scratch for each, in the place of an earlier one; JobwrapError site.scratch if none fits."""
    for bound in inputs:
        place = os.path.join(scratch, bound.name)
        if bound.in_place:
            continue
        aside = f"{place}.{os.getpid()}.link"
        try:
            os.makedirs(os.path.dirname(place), exist_ok=True)
            os.symlink(bound.source, aside)
            os.rename(aside, place)
        except OSError as error:
            if os.path.islink(aside):
                os.unlink(aside)
            problem = f"there is no place for a link {bound.name}: {error.strerror}"
            raise JobwrapError("site.scratch", path=scratch, problem=problem) from error


class Places:
    """Made by make_mount_points() and link(), taken away by remove()."""

    def __init__(self, job: Job) -> None:
        self._scratch = job.scratch
        self._made: list[str] = []

    def make_mount_points(self, targets: Iterable[tuple[str, str]], top: str) -> None:
        """For each (source, target) below `top`, which is what scratch is called inside."""
        for source, target in targets:
            if target.startswith(top.rstrip("/") + "/"):
                name = target[len(top.rstrip("/")) + 1 :]
                if not os.path.lexists(os.path.join(self._scratch, name)):
                    self._make(name, os.path.isdir(source))

    def link(self, inputs: Iterable[Bound]) -> None:
        """For a task without a container: a link in place of a mount."""
        for bound in inputs:
            place = os.path.join(self._scratch, bound.name)
            if not bound.in_place and not os.path.lexists(place):
                os.makedirs(os.path.dirname(place), exist_ok=True)
                os.symlink(bound.source, place)
                self._made.append(bound.name)

    def remove(self) -> None:
        """Takes them away: a batch system would take them for outputs of the task."""
        if not self._made:
            return
        try:
            top = os.open(self._scratch, _FOLDER)
        except OSError:
            return  # it is gone, with all that was in it
        for name in self._made:
            try:
                _remove(top, name)
            except OSError:
                pass  # the task put something else there: that is its own
        os.close(top)

    def _make(self, name: str, folder: bool) -> None:
        place = os.path.join(self._scratch, name)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if folder:
            os.mkdir(place)
        else:
            os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        self._made.append(name)


def _remove(top: int, name: str) -> None:
    """By way of no link: the task could have put one in the place of a folder, which leads out."""
    *folders, last = name.split("/")
    inside = descend(top, folders, lambda at, part: os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=at))
    try:
        if stat.S_ISDIR(os.lstat(last, dir_fd=inside).st_mode):
            os.rmdir(last, dir_fd=inside)
        else:
            os.unlink(last, dir_fd=inside)
    finally:
        os.close(inside)

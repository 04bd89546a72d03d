"""What stage-in puts into scratch that is no file of the task: mount points and links."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import TYPE_CHECKING

from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Job

if TYPE_CHECKING:
    from jobwrap.stage.plan import Bound


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
                place = os.path.join(self._scratch, target[len(top.rstrip("/")) + 1 :])
                if not os.path.lexists(place):
                    self._make(place, os.path.isdir(source))

    def link(self, inputs: Iterable[Bound]) -> None:
        """For a task without a container: a link in place of a mount."""
        for bound in inputs:
            place = os.path.join(self._scratch, bound.name)
            if not bound.in_place and not os.path.lexists(place):
                os.makedirs(os.path.dirname(place), exist_ok=True)
                os.symlink(bound.source, place)
                self._made.append(place)

    def remove(self) -> None:
        """Takes them away: a batch system would take them for outputs of the task."""
        for place in self._made:
            try:
                if stat.S_ISDIR(os.lstat(place).st_mode):
                    os.rmdir(place)
                else:
                    os.unlink(place)
            except OSError:
                pass  # the task put something else there: that is its own

    def _make(self, place: str, folder: bool) -> None:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if folder:
            os.mkdir(place)
        else:
            os.close(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        self._made.append(place)

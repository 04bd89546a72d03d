"""What the node owes a running task: the image stays where it is, and CVMFS answers.

Looked at while the container starts, and again when the task has failed: what changed in between is
evidence that the site failed and not the task.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from jobwrap.diagnose import Ending, Guess, failed
from jobwrap.failures import ELSEWHERE, SITE, JobwrapError
from jobwrap.image import hold
from jobwrap.node import cvmfs
from jobwrap.plan import Plan


class Guard:
    """Holds the image and knows the state that CVMFS was in before the task; close() lets go."""

    def __init__(self, plan: Plan, deadline: float) -> None:
        self._plan, self._deadline = plan, deadline
        mount = plan.node.cvmfs
        paths = [mounted.source for mounted in plan.mounts] + ([plan.image.path] if plan.image else [])
        self._names = sorted({name for path in paths if (name := cvmfs.repository_of(path, mount))})
        self._before = cvmfs.look(self._names, mount, deadline) if self._names else ()
        self._held = hold.hold(plan.image, deadline=deadline) if plan.image and self._names else -1

    def look(self) -> JobwrapError | None:
        """What is wrong with the image that a container starts from, None for nothing."""
        image = self._plan.image
        return hold.still_there(image, self._plan.node.cvmfs, deadline=self._deadline) if image else None

    def judge(self, ending: Ending) -> Ending:
        """The ending of a task, with what happened to the node meanwhile if it did not go well."""
        if not self._names or (ending.of == "task" and (ending.code == 0 or ending.checkpoint)):
            return ending
        mount = self._plan.node.cvmfs
        after = cvmfs.look(self._names, mount, self._deadline)
        evidence = cvmfs.compare(self._before, after)
        image = self._plan.image
        gone = hold.still_there(image, mount, deadline=self._deadline) if image else None
        if ending.error and ending.error.failure.name == "site.runtime_failed":
            gone = gone or self._broken(after)  # why it failed
        if gone:
            of_task = ending.of == "task"  # whose code stays
            ending = ending._replace(error=gone) if of_task else failed(gone, *ending.evidence)
        elif evidence and ending.of == "task":
            sentence = "CVMFS failed under the task; run it again on another node"
            ending = ending._replace(guess=Guess(sentence, SITE, ELSEWHERE))
        return ending._replace(evidence=(*ending.evidence, *evidence))

    def _broken(self, repositories: Sequence[cvmfs.Repository]) -> JobwrapError | None:
        try:
            for repository in repositories:
                cvmfs.check(repository, self._deadline)
        except JobwrapError as error:
            return error
        return None

    def close(self) -> None:
        """Lets the image go."""
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

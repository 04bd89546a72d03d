"""What the node owes a running task: the image stays where it is, and CVMFS answers.

Looked at before, and again when the task has failed: what changed in between is evidence that the site
failed and not the task.
"""

from __future__ import annotations

from collections.abc import Sequence

from jobwrap.diagnose import Ending, Guess, failed
from jobwrap.failures import ELSEWHERE, SITE, JobwrapError
from jobwrap.node import cvmfs
from jobwrap.node.cvmfs import Repository
from jobwrap.plan import Plan


class Guard:
    """Knows the state that CVMFS was in before the task."""

    def __init__(self, plan: Plan, known: Repository | None, deadline: float) -> None:
        """known: the state of the image's repository, which is not asked for again."""
        self._plan, self._deadline = plan, deadline
        mount = plan.node.cvmfs
        names = {cvmfs.repository_of(mounted.source, mount) for mounted in plan.mounts}
        others = sorted(names - {"", known.name if known else ""})
        before = [known] if known else []
        self._before = (*before, *(cvmfs.look(others, mount, deadline) if others else ()))
        self._names = [repository.name for repository in self._before]

    def look(self) -> JobwrapError | None:
        """What is wrong with the image that a container starts from, None for nothing."""
        image = self._plan.image
        if not image:
            return None
        from jobwrap.image.hold import still_there  # with all that looks at images

        return still_there(image, self._plan.node.cvmfs, deadline=self._deadline)

    def judge(self, ending: Ending) -> Ending:
        """The ending of a task, with what happened to the node meanwhile if it did not go well."""
        if not self._names or (ending.of == "task" and (ending.code == 0 or ending.checkpoint)):
            return ending
        after = cvmfs.look(self._names, self._plan.node.cvmfs, self._deadline)
        evidence = cvmfs.compare(self._before, after)
        gone = self.look()
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

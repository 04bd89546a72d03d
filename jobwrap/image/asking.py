"""A question about images, asked in a probe: what was told early, the answer, or where it hung."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from jobwrap.failures import JobwrapError
from jobwrap.image.footprint import footprint
from jobwrap.image.looker import Looker
from jobwrap.node.early import EarlyWord
from jobwrap.node.probe import Hung, Pending


class Look:
    """A question about images, asked in a probe."""

    def __init__(
        self,
        question: Callable[..., dict[str, Any]],
        looker: Looker,
        *args: str,
        tells_early: bool = False,
    ) -> None:
        """tells_early: the question's last argument is an EarlyWord."""
        footprint.lay()
        self._looker, self._held = looker, -1
        self._early = EarlyWord() if tells_early else None
        tell, keeps = ((self._early,), (self._early.mouth,)) if self._early else ((), ())
        what = f"the image {looker.job.image}"
        self._pending = Pending(question, looker, *args, *tell, what=what, keeps=keeps)
        if self._early:
            self._early.begun()

    def early(self) -> dict[str, Any] | None:
        """What was told early, waited for, None where nothing was; what came with it is kept."""
        if not self._early:
            return None
        word: dict[str, Any] | None
        word, self._held = self._early.hear(self._looker.settings.deadline)
        return word

    def answer(self) -> dict[str, Any]:
        """The answer, waited for; what the question raises, or site.* where it never came."""
        try:
            answer: dict[str, Any] = self._pending.answer(self._looker.settings.deadline)
        except Hung as hung:
            raise _hung(footprint.last(), self._looker, hung) from hung
        return answer

    def close(self) -> None:
        """Nobody wants to know any more."""
        self._pending.abandon()
        if self._early:
            self._early.close()
        if self._held >= 0:
            os.close(self._held)


def ask_about(question: Callable[..., dict[str, Any]], looker: Looker, *args: str) -> dict[str, Any]:
    """The answer to a question about images, asked in a probe; site.* where it never came."""
    return Look(question, looker, *args).answer()


def _hung(path: str, looker: Looker, hung: Hung) -> JobwrapError:
    from jobwrap.image import tree

    mount = tree.repository(looker.view.seen(path))
    if mount:
        return JobwrapError("site.cvmfs_hung", path=looker.view.on_node(mount), seconds=hung.seconds)
    problem = f"no answer within {hung.seconds:g} s"
    return JobwrapError("site.storage", path=path or hung.what, problem=problem)

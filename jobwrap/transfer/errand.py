"""What the crew works on: something to be done at the first of several places that lets it, try by try."""

from __future__ import annotations

import os
import time

from jobwrap.letters import scheme_of
from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.options import Options
from jobwrap.transfer.protocols import Protocol, protocol_of
from jobwrap.transfer.schemes import is_allowed
from jobwrap.transfer.trouble import FORBIDDEN, Passing, Trouble
from jobwrap.transfer.url import redact


class Errand:
    """One thread at a time works on it. places[0] is where it is tried now.

    tries     failed ones at this place
    attempts  at all places together
    skipped   (place, why), without secrets, of those that were given up
    kinds     of the troubles that these had
    worth_alone  whether the others go on if this one fails
    """

    worth_alone = False

    def __init__(self, places: tuple[str, ...], options: Options, checked: bool) -> None:
        self.places = list(places)
        self.options = options
        self.tries = self.attempts = 0
        self.skipped: list[tuple[str, str]] = []
        self.kinds: set[str] = set()
        self.started = 0.0
        self._checked = checked

    def attempt(self) -> Attempt:
        """What the next try is watched by."""
        self.started = self.started or time.monotonic()
        return Attempt(self.options, self.tries, self._checked, self.started + self.options.deadline)

    def step(self, attempt: Attempt) -> object:
        """One try; what is to be told once it is done. Raises Trouble, Passing and Busy."""
        raise NotImplementedError

    def verdict(self) -> tuple[str, dict[str, str]]:
        """Once no place is left: the row of the table of failures, and its facts."""
        raise NotImplementedError

    def forget(self) -> None:
        """Leave nothing of what was done so far."""

    def renew(self) -> None:
        """A thread hangs in what it did for this errand: go on with nothing that it could still touch."""

    def headway(self) -> bool:
        """Whether the last try, though it failed, brought enough to count as none."""
        return False

    @property
    def elsewhere(self) -> int:
        """Bytes that have come to another who fetches the same, while that is waited for."""
        return 0

    def failed(self, trouble: Trouble) -> float | None:
        """After a failed try: the pause before the next one at this place, None to leave it."""
        if not isinstance(trouble, Passing):
            return None
        self.tries = 1 if self.headway() else self.tries + 1
        late = time.monotonic() - self.started > self.options.deadline
        if late or self.tries >= self.options.attempts or trouble.after > self.options.longest_pause:
            return None
        return max(trouble.after, _jittered(self.options, self.tries))

    def skip(self, trouble: Trouble) -> None:
        """Leave the place that is first now for good."""
        self.skipped.append((redact(self.places.pop(0)), trouble.why))
        self.kinds.add(trouble.kind)
        self.tries = 0
        self.forget()

    def protocol(self) -> Protocol:
        """Who serves the first place; Trouble where nobody does or may."""
        place = self.places[0]
        if not is_allowed(place, self.options.schemes):
            scheme = scheme_of(place)
            raise Trouble(FORBIDDEN, f"the site does not allow {scheme + ':' if scheme else 'paths'}")
        return protocol_of(place)

    def told(self) -> str:
        """What became of all places, in one line."""
        return "; ".join(f"{place}: {why}" for place, why in self.skipped) or "no place was named"


def _jittered(options: Options, tries: int) -> float:
    """Doubling, and somewhere in the upper half of it, so that a thousand jobs do not come as one."""
    longest: float = min(options.pause * 2 ** (tries - 1), options.longest_pause)
    return longest * (0.5 + os.urandom(1)[0] / 512)

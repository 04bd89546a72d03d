"""Why a transfer did not come to its end, as the protocols tell the crew."""

from __future__ import annotations

# Each is the last part of a row input.… of failures.py.
NOT_FOUND, DENIED, UNREACHABLE, CHECKSUM = "not_found", "denied", "unreachable", "checksum"
SCHEME, NO_SPACE, ARCHIVE = "scheme", "no_space", "archive"
FORBIDDEN = "forbidden"  # policy.forbidden
SCRATCH = "scratch"  # the one that is not about the place: site.scratch


class Trouble(Exception):
    """This place cannot give the file; trying it again would change nothing."""

    def __init__(self, kind: str, why: str) -> None:
        self.kind, self.why = kind, why
        super().__init__(why)


class Passing(Trouble):
    """It did not work now and may work later; `after` is the server's own word on when, in seconds."""

    def __init__(self, why: str, after: float = 0.0) -> None:
        self.after = after
        super().__init__(UNREACHABLE, why)


class Unchanged(Exception):
    """The server says that the copy which the cache has is still right."""


class Busy(Exception):
    """Another slot of this node is fetching it; ask again soon."""


class PastCache(Exception):
    """The cache cannot take this file; it has to come without."""

"""How many hostile inputs a test of fuzz tries: few in every run, 100,000 where all is to be tested."""

import os

_ALL = 100_000


def rounds(few: int) -> int:
    """JOBWRAP_FULL=1 in the environment asks for all of them, JOBWRAP_FUZZ for a number."""
    return int(os.environ.get("JOBWRAP_FUZZ") or (_ALL if os.environ.get("JOBWRAP_FULL") else few))

"""The record's life on disk: there before the first phase, written again at each, finished last.

It lives in the control folder, which the task cannot see, and is put where it was asked for by
rename, so that what is found there is whole at any moment. Nothing about it can fail the job.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

NAME = "jobwrap-record.json"
_MOST = 8 << 20  # bytes that an earlier record may have
_RESTARTS = 10_000


class Journal:
    """Where the record of one job is written: once `folder` is given also there, and to `target`."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.folder = ""
        self.delivered = False

    def keep_earlier(self, ids: Mapping[str, str]) -> None:
        """Moves the record of an earlier start of the same batch job aside, as NAME.1.json and so on.

        A batch system that restarts an evicted job brings that record back into its scratch folder.
        """
        try:
            with open(self.target, encoding="utf-8") as file:
                earlier = json.loads(file.read(_MOST))
            if not ids or earlier["job"]["ids"].get("GlobalJobId") != ids.get("GlobalJobId"):
                return
            stem = self.target[: -len(".json")] if self.target.endswith(".json") else self.target
            number = next(n for n in range(1, _RESTARTS) if not os.path.lexists(f"{stem}.{n}.json"))
            os.rename(self.target, f"{stem}.{number}.json")
        except (OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration):
            pass  # there is none, or it is none of ours

    def write(self, record: dict[str, Any], *, sync: bool = False) -> None:
        """Puts the record on disk; with sync it is there after a power loss, too."""
        text = (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode(errors="backslashreplace")
        if self.folder:
            _replace(os.path.join(self.folder, "record.json"), text, sync=sync)
        self.delivered = _replace(self.target, text, sync=sync and not self.folder)

    def last_resort(self, record: dict[str, Any]) -> None:
        """One line on stderr, where the record could not be delivered."""
        if not self.delivered:
            print(json.dumps(record), file=sys.stderr)


def _replace(path: str, text: bytes, *, sync: bool) -> bool:
    temporary = f"{path}.{os.getpid()}.new"
    try:
        file = os.open(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_NOFOLLOW, 0o644)
        try:
            left = memoryview(text)
            while left:
                left = left[os.write(file, left) :]
            if sync:
                os.fsync(file)
        finally:
            os.close(file)
        os.rename(temporary, path)
    except OSError:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        return False
    return True

"""The record's life on disk: there before the first phase, written again at each, finished last.

It lives in <scratch>/.jobwrap, which the task cannot see, and is put where it was asked for by rename, so
that what is found there is whole at any moment. Nothing about it can fail the job.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
from typing import Any

from jobwrap.failures import JobwrapError

CONTROL = ".jobwrap"
DELIVERED = "jobwrap-record.json"


class Journal:
    """Where the record of one job is written.

    The control folder is made and locked here: of two jobwraps in one scratch folder the second
    gets JobwrapError site.scratch, and so does one whose scratch folder cannot be written.
    """

    def __init__(self, scratch: str, deliver_to: str) -> None:
        self.folder = os.path.join(scratch, CONTROL)
        self._target = deliver_to or os.path.join(scratch, DELIVERED)
        self._own = ""  # the record in the control folder, once that is ours
        self.lock = -1
        self.written = False
        self._scratch = scratch

    def open(self) -> None:
        """Makes and locks the control folder."""
        problem = None
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            self.lock = os.open(os.path.join(self.folder, "lock"), os.O_CREAT | os.O_RDWR, 0o600)
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for name in ("tmp", "var_tmp", "empty"):
                os.makedirs(os.path.join(self.folder, name), exist_ok=True)
            self._own = os.path.join(self.folder, "record.json")
        except BlockingIOError:
            problem = "another jobwrap is running in it"
        except OSError as error:
            problem = f"{error.strerror} ({error.filename})" if error.filename else str(error.strerror)
        if problem:
            raise JobwrapError("site.scratch", path=self._scratch, problem=problem)

    def write(self, record: dict[str, Any], *, sync: bool = False) -> None:
        """Puts the record on disk; with sync it is there after a power loss, too."""
        text = (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode(errors="surrogateescape")
        self.written = False
        if self._own:
            _replace(self._own, text, sync=sync)
            self.written = _replace(self._target, text, sync=False)
        elif not self._target.startswith(self._scratch + "/"):
            self.written = _replace(self._target, text, sync=sync)

    def last_resort(self, record: dict[str, Any]) -> None:
        """One line on stderr, where the record could not be written anywhere."""
        if not self.written:
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

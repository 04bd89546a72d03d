"""jobwrap's own folder in scratch: one owner at a time, out of the task's sight, gone at the end.

.jobwrap/lock         held by jobwrap and its keeper
.jobwrap/record.json  the exit record as it grows
.jobwrap/tmp, var_tmp the task's /tmp and /var/tmp: on the scratch disk, not in memory
.jobwrap/empty        what the task sees instead of this folder
.jobwrap/nothing      what it sees in place of a GPU that is not its own
.jobwrap/given        what it sees if it asked for credentials: these
"""

from __future__ import annotations

import fcntl
import os

from jobwrap.failures import JobwrapError

NAME = ".jobwrap"
GIVEN, EMPTY, NOTHING = "given", "empty", "nothing"
FOLDERS = ("tmp", "var_tmp", EMPTY)


class Control:
    """The control folder of one job.

    path   its absolute path; given: that of the folder for credentials, which may not be there
    lock   the descriptor that keeps others out, -1 before open()
    """

    def __init__(self, scratch: str) -> None:
        self._scratch = scratch
        self.path = os.path.join(scratch, NAME)
        self.given = os.path.join(self.path, GIVEN)
        self.lock = -1

    def open(self) -> None:
        """Makes and locks it; JobwrapError site.scratch where it can't be, or another jobwrap has it."""
        try:
            os.makedirs(self.path, mode=0o700, exist_ok=True)
            if os.path.islink(self.path):  # left there by a task without a container, to lead us astray
                raise self._unusable(f"{NAME} in it is a link")
            flags = os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW
            lock = os.open(os.path.join(self.path, "lock"), flags, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for folder in FOLDERS:
                os.makedirs(os.path.join(self.path, folder), exist_ok=True)
            os.chmod(os.path.join(self.path, EMPTY), 0o555)
            _make_unreadable(os.path.join(self.path, NOTHING))
            self.lock = lock
        except BlockingIOError:
            raise self._unusable("another jobwrap is running in it") from None
        except OSError as error:
            raise self._unusable(f"{error.strerror} ({error.filename or self.path})") from error

    def remove(self) -> None:
        """Removes the folder with whatever the task left in its /tmp; what resists stays behind."""
        if self.lock >= 0:
            if not _remove_shallow(self.path):
                import shutil  # 4 ms, for what most jobs do not leave

                shutil.rmtree(self.path, onerror=_open_up)
            os.close(self.lock)
            self.lock = -1

    def _unusable(self, problem: str) -> JobwrapError:
        return JobwrapError("site.scratch", path=self._scratch, problem=problem)


def _make_unreadable(path: str) -> None:
    """A new file without rights; one that an earlier start has left could not be opened again."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0))


def _remove_shallow(folder: str) -> bool:
    """Removes a folder that has files and empty folders in it; False where there is more."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                remove = os.rmdir if entry.is_dir(follow_symlinks=False) else os.unlink
                remove(entry.path)
        os.rmdir(folder)
        return True
    except OSError:
        return False


def _open_up(function: object, path: str, _error: object) -> None:
    """A folder without rights hides what is in it: once more with them."""
    try:
        os.chmod(os.path.dirname(path), 0o700)
        if os.path.isdir(path) and not os.path.islink(path):
            import shutil

            os.chmod(path, 0o700)
            shutil.rmtree(path, ignore_errors=True)
        else:
            os.unlink(path)
    except OSError:
        pass  # the scratch folder is the batch system's to clean, too

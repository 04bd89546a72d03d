"""The task's stdout and stderr where a job wants other than jobwrap's own: files, limits, last lines.

A file is opened here and handed on to the task, which writes to it without us. Only a limit, or the last
lines of what is no plain file, put jobwrap in between: a pipe, and a thread that carries its bytes on.
Where nothing is asked for, nothing of this is imported.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import stat
import threading
from typing import Any

from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Job
from jobwrap.launch import tail

NAMES = ("stdout", "stderr")
_OWN = {"stdout": 1, "stderr": 2}  # jobwrap's
_EVIDENCE = 20  # lines of stderr that a failure is judged by
_BLOCK = 1 << 16
_PATIENCE = 30.0  # seconds, once the task is gone, for whoever reads what it wrote
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class Streams:
    """Both streams of one task.

    stdout, stderr  the descriptors for the task, to be closed by started()
    """

    def __init__(self, job: Job, *, append: bool) -> None:
        """append: go on where an earlier start of the same job left off.

        JobwrapError job.usage or site.scratch where a file cannot be opened.
        """
        self._last = job.last_lines or 0
        self._files = {name: getattr(job, name) for name in NAMES}
        opened: dict[str, int] = {}  # both may be one file, which is then emptied once
        for path in filter(None, {*self._files.values()}):
            opened[path] = _open(job.scratch, path, append=append)
        self._targets = {name: opened.get(self._files[name], _OWN[name]) for name in NAMES}
        self._since = {name: tail.size_of(target) for name, target in self._targets.items()}
        self._taps = self._tapped({name: getattr(job, f"{name}_limit") for name in NAMES})
        self.stdout, self.stderr = (self._of_the_task(name) for name in NAMES)

    def _tapped(self, limits: dict[str, int | None]) -> dict[str, Tap]:
        """The taps that are needed: one for both where their reader sees one, and wants their order."""
        out, err, most = *self._targets.values(), max(self._last, _EVIDENCE)
        given = [limit for limit in limits.values() if limit is not None]
        if out == err and given:
            limits = dict.fromkeys(NAMES, min(given))
        needed = [
            name for name in NAMES if limits[name] is not None or (self._last and self._since[name] is None)
        ]
        if needed == [*NAMES] and len({*limits.values()}) == 1 and _is_one(out, err):
            return dict.fromkeys(NAMES, Tap(out, limits["stdout"], most))
        return {name: Tap(self._targets[name], limits[name], most) for name in needed}

    def started(self) -> None:
        """The task's side has its descriptors; what it writes is carried on from now."""
        for tap in {*self._taps.values()}:
            tap.start()

    def finish(self) -> dict[str, Any]:
        """What became of the streams that something was asked for, as the record has it."""
        for tap in {*self._taps.values()}:
            tap.finish()
        return {name: self._told(name) for name in NAMES if self._is_told(name)}

    def evidence(self) -> tuple[str, ...] | None:
        """The last lines of stderr to judge a failure by; None where it is jobwrap's own, as it was."""
        if "stderr" in self._taps or self._files["stderr"]:
            return self._lines("stderr", _EVIDENCE)
        return None

    def _of_the_task(self, name: str) -> int:
        return self._taps[name].entry if name in self._taps else self._targets[name]

    def _is_told(self, name: str) -> bool:
        return bool(name in self._taps or self._files[name] or self._last)

    def _told(self, name: str) -> dict[str, Any]:
        told: dict[str, Any] = {"file": self._files[name]} if self._files[name] else {}
        tap, size, since = self._taps.get(name), tail.size_of(self._targets[name]), self._since[name]
        if tap:
            told.update(tap.told())
        elif size is not None and since is not None:
            told["bytes"] = max(0, size - since)
        if self._last:
            told["last_lines"] = list(self._lines(name, self._last))
        return told

    def _lines(self, name: str, most: int) -> tuple[str, ...]:
        tap, since = self._taps.get(name), self._since[name]
        if tap:
            return tail.last_lines(tap.tail, most)
        return tail.lines_of(self._targets[name], since, most) if since is not None else ()


class Tap:
    """A pipe that the task writes to, and the thread that carries its bytes on as they come.

    entry  the task's end; tail: the last bytes that came
    """

    def __init__(self, target: int, limit: int | None, lines: int) -> None:
        """limit: bytes that reach the target, what comes after them is dropped; None for all."""
        self._source, self.entry = os.pipe()
        self._stopped, self._stop = os.pipe()
        self._target, self._limit = target, limit
        self._keep = max(8192, 300 * lines)
        self._came = self._went = 0
        self._problem = ""
        self.tail = b""
        self._thread = threading.Thread(target=self._carry, daemon=True)

    def start(self) -> None:
        """Closes our copy of the task's end."""
        os.close(self.entry)
        self._thread.start()

    def finish(self) -> None:
        """Carries on what is still in the pipe; not for ever, if nobody reads it or a process is stuck."""
        os.close(self._stop)
        self._thread.join(_PATIENCE)
        if self._thread.is_alive():
            self._problem = "nobody read it"

    def told(self) -> dict[str, Any]:
        """bytes that came, how many of them were dropped, and what went wrong if something did."""
        told: dict[str, Any] = {"bytes": self._came}
        if self._came > self._went:
            told["dropped"] = self._came - self._went
        return {**told, "problem": self._problem} if self._problem else told

    def _carry(self) -> None:
        # A signal is the main thread's, which waits for it.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        poll = select.poll()
        poll.register(self._source, select.POLLIN)
        poll.register(self._stopped, select.POLLIN)
        while self._source in [descriptor for descriptor, _ in poll.poll()]:
            block = os.read(self._source, _BLOCK)
            if not block or not self._take(block):
                break
        os.close(self._source)  # should the task still write, it learns now that nobody reads

    def _take(self, block: bytes) -> bool:
        """False where the target's reader has gone: the task shall learn it as if it wrote there itself."""
        self._came += len(block)
        self.tail = (self.tail + block)[-self._keep :]
        room = len(block) if self._limit is None else max(0, self._limit - self._went)
        if self._problem:
            return True
        try:
            self._write(memoryview(block)[:room])
        except BrokenPipeError:
            return False
        except OSError as error:  # a full disk: the task goes on, and the record tells
            self._problem = error.strerror or str(error)
        return True

    def _write(self, left: memoryview) -> None:
        while left:
            try:
                written = os.write(self._target, left)
            except BlockingIOError:  # somebody else made it so
                select.select([], [self._target], [])
                continue
            self._went += written
            left = left[written:]


def _is_one(out: int, err: int) -> bool:
    try:
        return os.path.sameopenfile(out, err)
    except OSError:  # one is closed
        return False


def _open(scratch: str, path: str, *, append: bool) -> int:
    """A file of the scratch folder to write to, with its folders; no part of its path may be a link."""
    *folders, name = path.split("/")
    at = os.open(scratch, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for folder in folders:
            at, above = _folder(at, folder), at
            os.close(above)
        # O_NONBLOCK: a FIFO would wait for a reader. O_APPEND: both streams may be one file.
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
        file = os.open(name, flags, 0o644, dir_fd=at)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(errno.EINVAL, "it is no plain file")
        if not append:
            os.ftruncate(file, 0)
        os.set_blocking(file, True)
        return file
    except OSError as error:
        raise _unusable(scratch, path, error) from error
    finally:
        os.close(at)


def _folder(at: int, name: str) -> int:
    try:
        os.mkdir(name, 0o755, dir_fd=at)
    except FileExistsError:
        pass
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)


def _unusable(scratch: str, path: str, error: OSError) -> JobwrapError:
    if error.errno in _NO_ROOM:
        return JobwrapError("site.scratch", path=scratch, problem=error.strerror)
    is_link = error.errno in (errno.ELOOP, errno.ENOTDIR)
    problem = "a link stands in its path, or a file in place of a folder" if is_link else error.strerror
    return JobwrapError(
        "job.usage", problem=f"the file {path} for the task's output cannot be opened: {problem}"
    )

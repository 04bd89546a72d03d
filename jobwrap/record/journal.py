"""The record's life on disk: there before the first phase, written again at each, finished last.

It lives in the control folder, which the task cannot see, and is put where it was asked for by
rename, so that what is found there is whole at any moment. Nothing about it can fail the job.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from jobwrap.plainjson import decode, encode
from jobwrap.record.longlist import written
from jobwrap.record.reserve import SIZE, Reserve

NAME = "jobwrap-record.json"
INSIDE = "record.json"  # its name in the control folder
_MOST = 8 << 20  # bytes that an earlier record may have
_RESTARTS = 10_000
_OWNERS = 0o700
_FULL = (errno.ENOSPC, errno.EDQUOT)
# What a record can do without, if it must fit into the room that was reserved.
_BULKY = ("streams", "transfers", "outputs", "container", "plan")


class Journal:
    """Where the record of one job is written: to `target`, and once it is opened also to a folder.

    place      that of the target, whatever a task puts there in the place of its folder
    delivered  whether the last write reached the target
    restarted  whether an earlier start of the same batch job has left its record there
    """

    def __init__(self, target: str) -> None:
        self._target = self.place = target
        self.delivered = self.restarted = False
        self._inside = ""
        self._folder = -1
        # What is written aside before it is renamed, by where it then goes.
        self._aside: dict[str, _Aside] = {}

    def open(self, folder: str, ids: Mapping[str, str]) -> None:
        """Takes over the control folder, which is ours alone, and room on its disk and the target's."""
        self._keep_earlier(ids)
        self._inside = os.path.join(folder, INSIDE)
        here = _Aside(self._inside)
        place, name = os.path.split(self._target)
        # In the control folder nobody sees what a SIGKILL leaves half written.
        same = _device(place) == _device(folder)
        try:  # no link can take the place of the folder any more
            self._folder = os.open(place or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            place = f"/proc/self/fd/{self._folder}"
        except OSError:
            pass
        self.place = os.path.join(place, name)
        self._aside = {self._inside: here, self.place: here if same else _Aside(f"{place}/.{name}")}

    def write(self, record: dict[str, Any], *, sync: bool = False) -> None:
        """Puts the record on disk; with sync it is there after a power loss, too."""
        if self._inside:
            text = _text(record)
            self._replace(self._inside, text, sync=sync)
            self.delivered = self._replace(self.place, text)

    def finish(self, record: dict[str, Any]) -> None:
        """The last word: to the target, else to the control folder and as one line to stderr."""
        self._finish(record)
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1

    def _finish(self, record: dict[str, Any]) -> None:
        text = _text(record)
        if not self._inside and os.path.lexists(self.place):
            self.place = _beside(self.place, record["id"][:8])  # it is that of the job that has the folder
        self.delivered = self._replace(self.place, text, sync=True, last=True)
        for each in self._aside.values():
            each.reserve.remove()
        if not self.delivered and self._inside:
            self.delivered = self._finish_anyhow(text)
        if self.delivered:
            _sync_folder(os.path.dirname(self.place))
            return
        if self._inside:
            self._replace(self._inside, text, sync=True, last=True)
        try:  # in ASCII, whatever stderr takes
            print(json.dumps(record), file=sys.stderr, flush=True)
        except OSError:
            pass  # nobody reads it

    def _finish_anyhow(self, text: bytes) -> bool:
        """Once more where the disk was full before there was a reserve, or the task has shut its folder."""
        self._aside = {}  # that folder may be gone
        _forget(self._inside)  # this is room, too
        _open_up(os.path.dirname(self.place))
        return any(self._replace(self.place, form, sync=True) for form in (text, _shortened(text)))

    def _replace(self, path: str, text: bytes, *, sync: bool = False, last: bool = False) -> bool:
        aside = self._aside.get(path)
        temporary = f"{aside.prefix if aside else path}.{os.getpid()}.new"
        try:
            _put(temporary, path, text, os.O_CREAT | os.O_TRUNC, sync=sync)
            return True
        except OSError as error:
            _forget(temporary)
            reserved = aside.reserve.take(last=last) if aside and error.errno in _FULL else ""
        try:
            if reserved:
                _put(reserved, path, text if len(text) <= SIZE else _shortened(text), 0, sync=sync)
            return bool(reserved)
        except OSError:
            _forget(reserved)
            return False

    def _keep_earlier(self, ids: Mapping[str, str]) -> None:
        """Moves the record of an earlier start of the same batch job aside, as NAME.1.json and so on.

        A batch system that restarts an evicted job brings that record back into its scratch folder.
        """
        try:
            with open(self._target, encoding="utf-8") as file:
                earlier = decode(file.read(_MOST))
            if not ids or earlier["job"]["ids"].get("GlobalJobId") != ids.get("GlobalJobId"):
                return
            places = (_beside(self._target, str(number)) for number in range(1, _RESTARTS))
            self.restarted = True
            os.rename(self._target, next(place for place in places if not os.path.lexists(place)))
        except (OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration):
            pass  # there is none, or it is none of ours


class _Aside:
    """The files beside one place; `prefix` begins their names."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.reserve = Reserve(prefix)


def put(path: str, record: dict[str, Any]) -> None:
    """One record into its place, at once and for good; OSError where that cannot be."""
    temporary = f"{path}.{os.getpid()}.new"
    try:
        _put(temporary, path, _text(record), os.O_CREAT | os.O_TRUNC, sync=True)
    except OSError:
        _forget(temporary)
        raise


def _text(record: dict[str, Any]) -> bytes:
    """A line for each field, to be read; json's encoder in C knows no indent."""
    lines = ",\n".join(f" {encode(name)}: {written(value)}" for name, value in record.items())
    return f"{{\n{lines}\n}}\n".encode(errors="backslashreplace")


def _shortened(text: bytes) -> bytes:
    record = decode(text.decode(errors="replace"))
    return _text({name: value for name, value in record.items() if name not in _BULKY})


def _beside(path: str, word: str) -> str:
    stem = path[: -len(".json")] if path.endswith(".json") else path
    return f"{stem}.{word}.json"


def _put(temporary: str, path: str, text: bytes, flags: int, *, sync: bool) -> None:
    """Writes the one file, the blocks that it has first, and makes it the other."""
    # O_NONBLOCK: a FIFO that the task has left under that name would wait for someone to read it.
    file = os.open(temporary, flags | os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    try:
        left = memoryview(text)
        while left:
            left = left[os.write(file, left) :]
        if not flags:
            os.ftruncate(file, len(text))
        if sync:
            os.fsync(file)
    finally:
        os.close(file)
    try:
        os.rename(temporary, path)
    except IsADirectoryError:  # of the task's making, in the place of its record
        os.rename(path, f"{path}.task")
        os.rename(temporary, path)


def _sync_folder(folder: str) -> None:
    """The rename, too, is on the disk only with its folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # a file system that cannot
    finally:
        os.close(descriptor)


def _open_up(folder: str) -> None:
    """Lets its owner write into a folder."""
    try:
        mode = os.stat(folder).st_mode & 0o7777
        if mode & _OWNERS != _OWNERS:
            os.chmod(folder, mode | _OWNERS)
    except OSError:
        pass  # it is not ours, or gone


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass


def _device(path: str) -> int:
    try:
        return os.stat(path).st_dev
    except OSError:
        return -1

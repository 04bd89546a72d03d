"""Judge all outputs once no process of the task is left, and only then deliver the first of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Output
from jobwrap.stage.scratch import Scratch, is_pattern, refused
from jobwrap.transfer.options import Options
from jobwrap.transfer.progress import Progress
from jobwrap.transfer.url import below

_SHOWN = 20  # names in the list of what is there instead of a missing output
# Bytes in scratch, all files together, that are read for a checksum although nobody sends them: some
# seconds at most. What is more is told by its sizes alone.
_READ = 4 << 30
_BLOCK = 1 << 20


class Delivered(NamedTuple):
    """One file of an output: its path in scratch, where it went ("" stays in scratch), its bytes.

    seconds and attempts are those that its delivery took; checksum is (algorithm, hex digest) or None.
    """

    name: str
    url: str
    bytes: int
    seconds: float = 0.0
    attempts: int = 0
    checksum: tuple[str, str] | None = None


class Judged(NamedTuple):
    """A file that may be delivered to `url`; inode tells whether it is still the one that was looked at."""

    name: str
    url: str
    bytes: int
    inode: tuple[int, int]


class StageOut:
    """The outputs of one job on their way; `withheld` are inodes of files that must stay where they are."""

    def __init__(
        self,
        outputs: tuple[Output, ...],
        scratch: str,
        withheld: frozenset[tuple[int, int]] = frozenset(),
    ) -> None:
        self._outputs, self._path, self._withheld = outputs, scratch, withheld
        self._done: dict[int, Delivered] = {}

    @property
    def delivered(self) -> list[Delivered]:
        """What is where it should be, in the order of the outputs; also after a failure."""
        return [one for _, one in sorted(self._done.items())]

    def deliver(self, options: Options, progress: Callable[[Progress], None] | None = None) -> None:
        """All of them, many at once; JobwrapError output.refused, output.undelivered or output.missing.

        Of the first nothing was delivered, unless somebody still changed the folder meanwhile. One that is
        missing does not keep the others: nobody would ever see these again.
        """
        with Scratch(self._path) as self._scratch:
            files, missing = self._judge()
            self._leave(files)
            self._send(files, options, progress)
            if missing:
                raise JobwrapError("output.missing", name=", ".join(missing), present=self._present())

    def _judge(self) -> tuple[list[Judged], list[str]]:
        """The files, and the names of outputs that are not there.

        Every file is opened and looked at, one at a time: there may be more than descriptors.
        """
        files: dict[tuple[str, str], Judged] = {}
        taken: dict[str, str] = {}  # which file goes to a URL
        missing = []
        for output in self._outputs:
            found = [one for name in self._scratch.find(output.name) if (one := self._look(output, name))]
            if not found:
                missing.append(output.name)
            for one in found:
                if one.url and taken.setdefault(one.url, one.name) != one.name:
                    raise refused(one.name, f"{taken[one.url]} goes to the same place")
                files[one.name, one.url] = one
        return list(files.values()), missing

    def _look(self, output: Output, name: str) -> Judged | None:
        """None for a file that a pattern or a folder meets and that is no output, or is there no more."""
        try:
            file = self._scratch.open(name)
        except FileNotFoundError:
            return None
        try:
            seen = os.fstat(file)
        finally:
            os.close(file)
        inode = seen.st_dev, seen.st_ino
        if inode not in self._withheld:
            return Judged(name, _destination(output, name), seen.st_size, inode)
        if name == output.name:
            raise refused(name, "it is a credential, or jobwrap's own")
        return None

    def _leave(self, files: list[Judged]) -> None:
        """Those that stay, with their checksums where it costs little."""
        stay = [(index, one) for index, one in enumerate(files) if not one.url]
        cheap = sum(one.bytes for _, one in stay) <= _READ
        for index, one in stay:
            checksum = ("sha256", self._sha256(one)) if cheap else None
            self._done[index] = Delivered(one.name, "", one.bytes, checksum=checksum)

    def _send(
        self, files: list[Judged], options: Options, progress: Callable[[Progress], None] | None
    ) -> None:
        away = [(index, one) for index, one in enumerate(files) if one.url]
        if not away:
            return
        from jobwrap.transfer.deliver import Delivering, Parcel

        parcels = [Parcel(one.name, partial(self._open, one), one.url) for _, one in away]
        work = Delivering(parcels, options, keep=(self._scratch.top,))
        work.progress = progress
        try:
            work.wait()
        finally:
            for at, told in work.delivered.items():
                index, one = away[at]
                self._done[index] = Delivered(one.name, *told)

    def _open(self, judged: Judged) -> int:
        """The file that was judged, and no other: a name may have come to mean something else since."""
        try:
            file = self._scratch.open(judged.name)
        except FileNotFoundError:
            raise refused(judged.name, "it was gone when its turn came") from None
        seen = os.fstat(file)
        if (seen.st_dev, seen.st_ino) != judged.inode:
            os.close(file)
            raise refused(judged.name, "it was another file when its turn came")
        return file

    def _sha256(self, judged: Judged) -> str:
        from hashlib import sha256

        digest, block = sha256(), memoryview(bytearray(min(_BLOCK, judged.bytes) or 1))
        file = self._open(judged)
        try:
            while count := os.readv(file, [block]):
                digest.update(block[:count])
        finally:
            os.close(file)
        return digest.hexdigest()

    def _present(self) -> str:
        """The files that are there, for who looks for one under another name."""
        names: list[str] = []
        try:
            names.extend(name for name in self._scratch.walk() if name[0] != "." and self._is_shown(name))
        except (FileNotFoundError, JobwrapError):
            pass  # what is there resists, or goes as we look: then some of it must do
        shown = ", ".join(sorted(names)[:_SHOWN]) or "nothing"
        return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")

    def _is_shown(self, name: str) -> bool:
        if not self._withheld:
            return True
        seen = self._scratch.look(name)
        return (seen.st_dev, seen.st_ino) not in self._withheld


def _destination(output: Output, name: str) -> str:
    """A single file goes to the URL itself; those of a folder, a pattern or a URL with a slash below it."""
    if not output.url:
        return ""
    if name == output.name:
        return below(output.url, name.rpartition("/")[2]) if output.url.endswith("/") else output.url
    parts, depth = output.name.split("/"), 0
    while depth < len(parts) and not is_pattern(parts[depth]):
        depth += 1
    return below(output.url, name.split("/", depth)[depth])

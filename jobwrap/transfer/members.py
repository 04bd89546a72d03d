"""What is in a tar or zip archive, one entry after the other; what of it may be unpacked is archive.py's."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, NamedTuple

from jobwrap.transfer.trouble import ARCHIVE, Trouble

if TYPE_CHECKING:
    import tarfile
    import zipfile

_BLOCK = 1 << 20
FILE, FOLDER, LINK, HARD_LINK = "file", "folder", "link", "hard link"


class Member(NamedTuple):
    """One entry of an archive: kind is one of the four above or what it is instead; target is a link's."""

    name: str
    kind: str
    mode: int
    size: int
    content: IO[bytes] | None = None
    target: str = ""


def members_of(archive: str) -> Iterator[Member]:
    """Its entries; Trouble, or the errors of tarfile, zipfile and the compressions, where it is damaged."""
    import zipfile

    return _of_zip(archive) if zipfile.is_zipfile(archive) else _of_tar(archive)


def _of_tar(archive: str) -> Iterator[Member]:
    with _open_tar(archive) as tar:
        for one in tar:
            content = tar.extractfile(one) if one.isreg() else None
            yield Member(one.name, _kind_in_tar(one), _mode(one.mode), one.size, content, one.linkname)
        _read_out(tar)


def _read_out(tar: tarfile.TarFile) -> None:
    """What lies behind the last member: the checksum of the compression is at its very end."""
    assert tar.fileobj
    while tar.fileobj.read(_BLOCK):
        pass


def _open_tar(archive: str) -> tarfile.TarFile:
    import tarfile

    try:
        return tarfile.open(archive)
    except tarfile.ReadError as error:
        raise Trouble(ARCHIVE, "it is neither tar nor zip, or compressed in a way not known here") from error


def _kind_in_tar(one: tarfile.TarInfo) -> str:
    if one.isreg():
        return FILE
    if one.isdir():
        return FOLDER
    if one.issym():
        return LINK
    if one.islnk():
        return HARD_LINK
    return "FIFO" if one.isfifo() else "device"


def _of_zip(archive: str) -> Iterator[Member]:
    import zipfile

    with zipfile.ZipFile(archive) as file:
        for one in file.infolist():
            yield from _of_zip_entry(file, one)


def _of_zip_entry(file: zipfile.ZipFile, one: zipfile.ZipInfo) -> Iterator[Member]:
    mode = one.external_attr >> 16
    if one.is_dir():
        yield Member(one.filename, FOLDER, _mode(mode or 0o755), 0)
        return
    with file.open(one) as content:
        if stat.S_ISLNK(mode):
            target = os.fsdecode(content.read(4096))
            yield Member(one.filename, LINK, 0o777, 0, None, target)
        else:
            yield Member(one.filename, FILE, _mode(mode or 0o644), one.file_size, content)


def _mode(mode: int) -> int:
    """What its owner may do is kept, set-user-id and the like are not, and nobody else may write."""
    return (mode & 0o755) | 0o400

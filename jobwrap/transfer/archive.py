"""Unpack tar and zip archives of strangers: only files, folders and links, and nothing outside the folder.

Not tarfile's own filters, which older Pythons lack and newer ones had to repair more than once: here each
component of a path is opened without following links, so no member is ever written through another, and
links are made last, and only if they lead to a place inside.
"""

from __future__ import annotations

import os

from jobwrap.transfer.members import FILE, FOLDER, HARD_LINK, LINK, Member, members_of
from jobwrap.transfer.room import Room
from jobwrap.transfer.sink import trouble_here
from jobwrap.transfer.trouble import ARCHIVE, Trouble

_BLOCK = 1 << 20


def unpack(archive: str, folder: str, room: Room) -> None:
    """Put what is in `archive` into the new folder `folder`; Trouble where that cannot or should not be."""
    import lzma
    import tarfile
    import zipfile
    import zlib

    try:
        os.mkdir(folder)
        tree = Tree(folder, room)
        try:
            for member in members_of(archive):
                tree.add(member)
            tree.finish()
        finally:
            tree.close()
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        lzma.LZMAError,
        zlib.error,
        EOFError,
        RuntimeError,
    ) as error:
        raise Trouble(ARCHIVE, f"it cannot be unpacked: {error}") from error
    except OSError as error:
        if error.errno is None:  # of gzip and bz2, about what they read
            raise Trouble(ARCHIVE, f"it cannot be unpacked: {error}") from error
        raise trouble_here(error) from error


class Tree:
    """The folder being filled."""

    def __init__(self, folder: str, room: Room) -> None:
        self._top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._room = room
        self._links: list[tuple[list[str], str]] = []
        self._modes: list[tuple[list[str], int]] = []

    def add(self, member: Member) -> None:
        parts = _parts(member.name)
        if member.kind == FOLDER:
            os.close(self._folder(parts))
            self._modes.append((parts, member.mode))
        elif member.kind == FILE:
            self._write(parts, member)
        elif member.kind == HARD_LINK:
            self._hard_link(parts, _parts(member.target))
        elif member.kind == LINK:
            _check_link(parts, member)
            self._links.append((parts, member.target))
        else:
            raise Trouble(ARCHIVE, f"it has a {member.kind} in it ({member.name})")

    def finish(self) -> None:
        """Links, and the folders' modes, once nothing is written any more."""
        for parts, target in self._links:
            folder = self._folder(parts[:-1])
            try:
                _replace(parts[-1], folder)
                os.symlink(target, parts[-1], dir_fd=folder)
            finally:
                os.close(folder)
        for parts, mode in reversed(self._modes):
            folder = self._folder(parts)
            os.fchmod(folder, mode | 0o700)
            os.close(folder)

    def close(self) -> None:
        os.close(self._top)

    def _folder(self, parts: list[str]) -> int:
        """The folder inside at this path, open; made where it is not there."""
        at = os.dup(self._top)
        for part in parts:
            try:
                below = _open_folder(part, at)
            except FileNotFoundError:
                os.mkdir(part, dir_fd=at)
                below = _open_folder(part, at)
            finally:
                os.close(at)
            at = below
        return at

    def _write(self, parts: list[str], member: Member) -> None:
        assert member.content
        folder = self._folder(parts[:-1])
        try:
            _replace(parts[-1], folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            file = os.open(parts[-1], flags, 0o600, dir_fd=folder)
        finally:
            os.close(folder)
        try:
            self._room.claim(file, member.size)
            left = member.size
            while left:
                block = member.content.read(min(left, _BLOCK))
                if not block:
                    raise EOFError(f"{member.name} is cut short")
                left -= len(block)
                view = memoryview(block)
                while view:
                    view = view[os.write(file, view) :]
            os.fchmod(file, member.mode)
        finally:
            os.close(file)

    def _hard_link(self, parts: list[str], target: list[str]) -> None:
        source = self._folder(target[:-1])
        folder = self._folder(parts[:-1])
        try:
            _replace(parts[-1], folder)
            os.link(target[-1], parts[-1], src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            raise Trouble(ARCHIVE, f"it links to {'/'.join(target)}, which is not in it") from None
        finally:
            os.close(folder)
            os.close(source)


def _parts(name: str) -> list[str]:
    """The components of a member's name; Trouble for one that leads out."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise Trouble(ARCHIVE, f"it has a file in it that would lie outside of it ({name})")
    return parts


def _check_link(parts: list[str], member: Member) -> None:
    """A link may lead to what is inside, by a relative path that never leaves it on its way."""
    depth = len(parts) - 1
    for part in member.target.split("/"):
        depth += {"..": -1, "": 0, ".": 0}.get(part, 1)
        if depth < 0 or member.target.startswith("/"):
            raise Trouble(
                ARCHIVE, f"it has a link in it that leads outside ({member.name} to {member.target})"
            )


def _open_folder(name: str, at: int) -> int:
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)


def _replace(name: str, folder: int) -> None:
    """A later member of the same name takes the place of an earlier one, as tar does it."""
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass

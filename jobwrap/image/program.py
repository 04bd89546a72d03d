"""The program that the task will be: which file its command names, through PATH and "#!" lines.

It is looked for as the task will see it: in the image, the scratch folder, CVMFS and the job's binds.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from jobwrap.image.elf import At, Elf, read_elf
from jobwrap.image.files import Files

# What Apptainer puts where the image says nothing.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LINE = 256  # the kernel's own limit for a "#!" line, execve(2)
_MOST_INTERPRETERS = 4


class Program(NamedTuple):
    """path: as the task sees it; elf: None for what is no ELF file; through: the scripts that led to it."""

    path: str
    elf: Elf | None
    through: tuple[str, ...] = ()


def find_program(command: str, path: str, folder: str, files: Files) -> Program | None:
    """The program for a command given in `folder`, None where it is not there (yet).

    path: the task's PATH; only its absolute folders are looked into.
    """
    through: list[str] = []
    for _ in range(_MOST_INTERPRETERS):
        place = _locate(command, path, folder, files)
        if place is None:
            return None
        found = files.parse(place, _read)
        if found is None:
            return Program(place, None, tuple(through))
        elf, line = found
        if not line:
            return Program(place, elf, tuple(through))
        through.append(place)
        command = _interpreter(line)
    return None


def _locate(command: str, path: str, folder: str, files: Files) -> str | None:
    places = [os.path.join(folder, command.removeprefix("./"))]
    if "/" not in command:
        places = [f"{each.rstrip('/')}/{command}" for each in path.split(":") if each.startswith("/")]
    return next((place for place in places if files.is_file(place)), None)


def _read(at: At) -> tuple[Elf | None, str]:
    start = at(0, _LINE)
    if start.startswith(b"#!"):
        return None, start[2:].split(b"\n", 1)[0].decode(errors="surrogateescape").strip()
    return read_elf(at), ""


def _interpreter(line: str) -> str:
    """The command that "#!/usr/bin/env -S python3 -u" or "#!/bin/sh -e" runs."""
    words = line.split()
    if not words or os.path.basename(words[0]) != "env":
        return words[0] if words else "/bin/sh"
    named = (word for word in words[1:] if not word.startswith("-") and "=" not in word)
    return next(named, words[0])

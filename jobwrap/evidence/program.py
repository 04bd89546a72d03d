"""The program that could not be started, looked at as the task saw it: in the image, in scratch, in binds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from jobwrap.evidence.weigh import Scene
from jobwrap.image.files import Files
from jobwrap.image.program import PATH
from jobwrap.image.view import View, view_of
from jobwrap.node.probe import Hung, ask

_MOST = 4096  # bytes of a script that are looked at
_NEAR = 3  # names
_ALIKE = 0.7  # as difflib counts it


def look(scene: Scene, command: str, words: Sequence[str]) -> dict[str, Any]:
    """What is to be seen of a command, and of scripts among `words`; {} where no look is possible.

    near         names of commands that are nearly the same
    interpreter  what the file's first line or its header names to run it, and `there`: whether that is
    machine      the kind of CPU that the file is for
    mode         the file's mode
    windows      the scripts with lines that end in CR LF
    """
    plan, job = scene.plan, scene.plan.job
    path = dict(plan.environment.settings).get("PATH", PATH)
    question = (_view(scene), command, tuple(words), path, job.scratch if job.here else job.target)
    try:
        found: dict[str, Any] = ask(_look, *question, deadline=10.0, what=f"the command {command}")
    except (Hung, OSError, RuntimeError):
        return {}
    return found


def _view(scene: Scene) -> View:
    plan = scene.plan
    if plan.image is None:
        return view_of(("/", "/"))
    return view_of(("/", plan.image.path), *((mount.target, mount.source) for mount in plan.mounts))


def _look(view: View, command: str, words: Sequence[str], path: str, folder: str) -> dict[str, Any]:
    """In the probe."""
    files = Files(view)
    folders = [each for each in path.split(":") if each.startswith("/")]
    found: dict[str, Any] = {"windows": [word for word in words if _is_windows(files, folder, word)]}
    place = next((each for each in _places(command, folders, folder) if files.is_file(each)), None)
    if place is None:
        return {**found, "near": _near(command, folders, folder, files)}
    found["mode"] = os.stat(view.find(place)).st_mode & 0o7777
    elf = files.parse(place, _elf)
    if elf:
        found["machine"], found["interpreter"] = elf
    else:
        line = files.text(place, _MOST).partition("\n")[0]
        found["interpreter"] = (line[2:].split() or [""])[0] if line.startswith("#!") else ""
    found["there"] = not found["interpreter"] or files.is_file(found["interpreter"])
    return found


def _places(command: str, folders: Sequence[str], folder: str) -> list[str]:
    if "/" in command:
        return [os.path.normpath(os.path.join(folder, command))]
    return [f"{each.rstrip('/')}/{command}" for each in folders]


def _elf(at: Any) -> tuple[str, str]:
    from jobwrap.image.elf import read_elf

    elf = read_elf(at)
    if elf is None:
        raise ValueError("no ELF file")
    return elf.machine, elf.interpreter


def _is_windows(files: Files, folder: str, word: str) -> bool:
    if not word or word.startswith("-") or len(word) > os.pathconf("/", "PC_NAME_MAX"):
        return False
    return "\r\n" in files.text(os.path.normpath(os.path.join(folder, word)), _MOST)


def _near(command: str, folders: Sequence[str], folder: str, files: Files) -> list[str]:
    from difflib import get_close_matches

    directory, name = os.path.split(command)
    looked_at = [os.path.normpath(os.path.join(folder, directory))] if directory else folders
    names = {each for place in looked_at for each in files.names(place)}
    near = get_close_matches(name, sorted(names), n=_NEAR, cutoff=_ALIKE)
    return [os.path.join(directory, each) for each in near]

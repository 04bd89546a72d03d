"""From a Dockerfile to a definition file, through spython; what it cannot do is mended here, or refused.

Each instruction is first turned into plain ones that spython reads right. Mended that way: ARG and
ENV (exported, with their values), ADD of archives and URLs, COPY of folders, into a WORKDIR and from
stages, RUN in its own shell and folder, ENTRYPOINT and CMD. Refused, with the line: heredocs, mounts
with secrets, FROM a stage, variables and arguments that nobody gave.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping
from typing import NamedTuple

from jobwrap.image.definition import SHELL, Stage, double_quoted, write_definition
from jobwrap.image.dockerfile import Instruction, pairs, parse_dockerfile, substituted

_ARCHIVE = re.compile(r"\.(?:tar|tgz|tbz2|txz|tar\.\w+)$")
# What a shell would carry over to the next command of %post and Docker does not.
_LASTING = re.compile(r"(?:^|[;&|(\s])(?:cd|pushd|export|set|source|\.|umask|exec|exit|trap|unset|alias)\s")
_NO_MOUNT = "RUN --mount gives what a build with Apptainer does not have; only caches are left out"


class Converted(NamedTuple):
    """The definition file, and what was left out or has to be looked at, a sentence each."""

    text: str
    remarks: tuple[str, ...]


def convert(text: str, folder: str, arguments: Mapping[str, str]) -> Converted:
    """The definition file for a Dockerfile whose context is `folder`; ValueError for what can't be converted.

    arguments: values for its ARGs, as docker build's --build-arg.
    """
    walk = _Walk(folder, arguments)
    for instruction in parse_dockerfile(text):
        try:
            if instruction.heredoc:
                raise ValueError("<< is not converted; use &&, or put the text into a file")
            _HANDLERS.get(instruction.name, _unknown)(walk, instruction)
        except KeyError as error:
            problem = f"{error.args[0]} has no value; give --arg NAME=VALUE"
            raise ValueError(f"line {instruction.line}: {problem}") from None
        except ValueError as error:
            raise ValueError(f"line {instruction.line}: {error}") from None
    if not walk.stages:
        raise ValueError("it has no FROM")
    return Converted(write_definition(walk.stages), tuple(walk.remarks))


class _Walk:
    """What is known so far, instruction by instruction."""

    def __init__(self, folder: str, arguments: Mapping[str, str]) -> None:
        self.folder, self.arguments = folder, arguments
        self.stages: list[Stage] = []
        self.before: dict[str, str] = {}  # ARGs above the first FROM
        self.values: dict[str, str] = {}
        self.remarks: list[str] = []

    @property
    def stage(self) -> Stage:
        if not self.stages:
            raise ValueError("nothing may stand before FROM but ARG")
        return self.stages[-1]

    def remark(self, instruction: Instruction, sentence: str) -> None:
        self.remarks.append(f"line {instruction.line}: {sentence}")

    def run(self, command: str) -> None:
        self.stage.run(command)

    def export(self, name: str, value: str) -> None:
        """A variable from here on: known to this walk, and set in %post."""
        self.run(f"export {name}={double_quoted(value)}")
        try:
            self.values[name] = substituted(value, self.values)
        except KeyError:  # one of the base's, such as PATH: only the shell knows it
            self.values.pop(name, None)


def _from(walk: _Walk, instruction: Instruction) -> None:
    words = instruction.text.split()
    base = substituted(words[0], walk.before) if words else ""
    name = words[2] if len(words) > 2 else f"stage-{len(walk.stages)}"  # noqa: PLR2004  # IMAGE AS NAME
    if not base or any(base == stage.name for stage in walk.stages):
        raise ValueError("FROM a stage cannot be said in a definition file; put the two stages into one")
    if instruction.flag("platform"):
        walk.remark(instruction, "--platform is left out: Apptainer builds for the machine it runs on")
    walk.stages.append(Stage(name, base))
    walk.values = {}


def _arg(walk: _Walk, instruction: Instruction) -> None:
    for word in shlex.split(instruction.text):
        name, equals, default = word.partition("=")
        known = walk.arguments.get(name, walk.before.get(name) if walk.stages and not equals else None)
        if known is None and not equals:
            raise KeyError(name)
        if walk.stages:
            walk.export(name, default if known is None else known)
        else:
            walk.before[name] = substituted(default if known is None else known, walk.before)


def _env(walk: _Walk, instruction: Instruction) -> None:
    for name, value in pairs(instruction.text):
        walk.export(name, value)
        walk.stage.variables.append(f"{name}={double_quoted(value)}")


def _run(walk: _Walk, instruction: Instruction) -> None:
    for name, value in instruction.flags:
        if name == "mount" and not value.startswith("type=cache"):
            raise ValueError(_NO_MOUNT)
        walk.remark(instruction, f"--{name}={value} is left out")
    words = instruction.listed()
    command = shlex.join(words) if words is not None else _continued(instruction.text)
    if walk.stage.shell != SHELL and words is None:
        command = shlex.join([*walk.stage.shell, command])
    elif words is None and _LASTING.search(command):
        walk.stage.run_apart(command)
        return
    walk.run(command)


def _continued(text: str) -> str:
    """Lines that begin with % would begin a section of a definition file."""
    return re.sub(r"\n(?=%)", " ", text)


def _workdir(walk: _Walk, instruction: Instruction) -> None:
    folder = substituted(instruction.text.strip("\"'"), walk.values)
    walk.stage.folder = os.path.join(walk.stage.folder, folder)
    walk.stage.lines.append(f"WORKDIR {walk.stage.folder}")


def _copy(walk: _Walk, instruction: Instruction) -> None:
    *sources, target = _paths(walk, instruction)
    stage = instruction.flag("from")
    for name in ("chown", "chmod"):
        if instruction.flag(name):
            walk.remark(instruction, f"--{name} is left out: the files belong to whoever builds")
    if stage is not None:
        _copy_from(walk, instruction, stage, sources, target)
        return
    for source in sources:
        place = os.path.join(walk.folder, source.lstrip("/"))
        if instruction.name == "ADD" and _ARCHIVE.search(source):
            packed = f"/.packed/{os.path.basename(source)}"
            walk.stage.lines.append(f"COPY {source.lstrip('/')} {packed}")
            walk.run(f"mkdir -p {target} && tar -xf {packed} -C {target} && rm -r /.packed")
            continue
        if not os.path.exists(place) and not re.search(r"[*?\[]", source):
            walk.remark(instruction, f"{source} is not there; it is taken for a file")
        end = "/." if os.path.isdir(place) else ""
        walk.stage.lines.append(f"COPY {source.strip('/') or '.'}{end} {target}")


def _copy_from(walk: _Walk, instruction: Instruction, stage: str, sources: list[str], target: str) -> None:
    names = [each.name for each in walk.stages[:-1]]
    name = names[int(stage)] if stage.isdecimal() and int(stage) < len(names) else stage
    if name not in names:
        raise ValueError(f"COPY --from={stage} is from no stage of this file; add a stage FROM that image")
    for source in sources:
        same = os.path.basename(source.rstrip("/")) == os.path.basename(target.rstrip("/"))
        # Into the folder above, so that a folder of that name which is there is filled, not put into itself.
        place = os.path.dirname(target.rstrip("/")).rstrip("/") + "/" if same else target
        if target.endswith("/") and not same:
            walk.remark(instruction, f"{source} is taken for a file; a folder must be named in the target")
        walk.stage.copied.setdefault(name, []).append([source, place])


def _add(walk: _Walk, instruction: Instruction) -> None:
    *sources, target = _paths(walk, instruction)
    if not any("://" in source for source in sources):
        _copy(walk, instruction)
        return
    for url in sources:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"ADD {url} is not converted; fetch it in a RUN")
        name = os.path.basename(url.partition("?")[0]) if target.endswith("/") else ""
        place = os.path.join(target, name) if name else target
        walk.run(f"mkdir -p {os.path.dirname(place)} && curl -fsSL -o {place} {shlex.quote(url)}")
        checksum = instruction.flag("checksum")
        if checksum:
            walk.run(f"echo '{checksum.rpartition(':')[2]}  {place}' | sha256sum -c -")


def _paths(walk: _Walk, instruction: Instruction) -> list[str]:
    """Sources and target, whose variables are known; the target absolute, its last / kept."""
    words = instruction.listed() or instruction.text.split()
    words = [substituted(word, walk.values) for word in words]
    if len(words) < 2:  # noqa: PLR2004  # a source and a target
        raise ValueError(f"{instruction.name} must have a source and a target")
    if any(re.search(r"\s", word) for word in words):
        raise ValueError("a path with a blank in it cannot stand in %files")
    target = os.path.join(walk.stage.folder, words[-1])
    if re.match(r"/(?:var/)?tmp(?:/|$)", target):
        raise ValueError(f"{target} is empty while Apptainer builds; copy to another folder, such as /opt")
    is_folder = target.endswith(("/", "/."))
    return [*words[:-1], os.path.normpath(target) + "/" * is_folder]


def _label(walk: _Walk, instruction: Instruction) -> None:
    for name, value in pairs(instruction.text):
        walk.stage.lines.append(f"LABEL {name} {_one_line(substituted(value, walk.values))}")


def _one_line(text: str) -> str:
    return " ".join(text.replace("\\$", "$").split())


def _shell(walk: _Walk, instruction: Instruction) -> None:
    words = instruction.listed()
    if not words:
        raise ValueError("SHELL must have a list of words")
    walk.stage.shell = words


def _started(walk: _Walk, instruction: Instruction) -> None:
    words = instruction.listed()
    words = [*walk.stage.shell, instruction.text] if words is None else words
    if instruction.name == "ENTRYPOINT":
        walk.stage.entry, walk.stage.command = words, []
    else:
        walk.stage.command = words


def _user(walk: _Walk, instruction: Instruction) -> None:
    if instruction.text.strip() not in ("root", "0"):
        sentence = f"USER {instruction.text} is left out: who runs the container is its user"
        walk.remark(instruction, sentence)


def _volume(walk: _Walk, instruction: Instruction) -> None:
    walk.run("mkdir -p " + " ".join(instruction.listed() or instruction.text.split()))


def _left_out(walk: _Walk, instruction: Instruction) -> None:
    walk.remark(instruction, f"{instruction.name} is left out: it means nothing to a job")


def _unknown(walk: _Walk, instruction: Instruction) -> None:
    raise ValueError(f"{instruction.name} is no instruction of a Dockerfile that is known here")


_HANDLERS: dict[str, Callable[[_Walk, Instruction], None]] = {
    "FROM": _from,
    "ARG": _arg,
    "ENV": _env,
    "RUN": _run,
    "WORKDIR": _workdir,
    "COPY": _copy,
    "ADD": _add,
    "LABEL": _label,
    "SHELL": _shell,
    "ENTRYPOINT": _started,
    "CMD": _started,
    "USER": _user,
    "VOLUME": _volume,
    **dict.fromkeys(("EXPOSE", "HEALTHCHECK", "STOPSIGNAL", "ONBUILD", "MAINTAINER"), _left_out),
}

"""A definition file from the stages of a Dockerfile, written by spython."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from typing import Any

SHELL = ["/bin/sh", "-c"]
# Stand for the ends of lines within one command, which spython would read as instructions of their own.
_CONTINUED, _NEXT = "\x01", "\x02"


class Stage:
    """What one FROM of a Dockerfile begins.

    lines      a Dockerfile that spython reads right: plain RUN, WORKDIR, COPY and LABEL
    variables  NAME="value", for the containers
    copied     of each earlier stage, (source, target)
    """

    def __init__(self, name: str, base: str) -> None:
        self.name, self.base = name, base
        self.lines: list[str] = []
        self.variables: list[str] = []
        self.copied: dict[str, list[list[str]]] = {}
        self.shell, self.folder = SHELL, "/"
        self.entry: list[str] = []
        self.command: list[str] = []

    def run(self, command: str) -> None:
        """A command of %post; its lines are continued ones."""
        self.lines.append("RUN " + command.replace("\n", _CONTINUED))

    def run_apart(self, command: str) -> None:
        """The same in a shell of its own, so that its folder and variables end with it."""
        self.run(f"({_NEXT}    {command}{_NEXT})")


def write_definition(stages: list[Stage]) -> str:
    """The stages as spython writes them, and the runscript of the last as Docker would start it."""
    os.environ.setdefault("MESSAGELEVEL", "QUIET")  # spython's own, read at its import
    from spython.main.parse.parsers import DockerParser  # type: ignore[import-untyped]
    from spython.main.parse.writers import SingularityWriter  # type: ignore[import-untyped]

    lines = [line for stage in stages for line in (f"FROM image AS {stage.name}", *stage.lines)]
    with tempfile.NamedTemporaryFile("w", suffix=".Dockerfile") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        recipes: dict[str, Any] = DockerParser(file.name).recipe
    for stage in stages:
        recipe = recipes[stage.name]
        recipe.fromHeader, recipe.environ, recipe.layer_files = stage.base, stage.variables, stage.copied
        recipe.workdir = None
    text: str = SingularityWriter(recipes).convert().partition("\n%runscript")[0]
    text = text.replace(_CONTINUED, " \\\n    ").replace(_NEXT, "\n")
    text = text.replace("Bootstrap: docker\nFrom: scratch", "Bootstrap: scratch")
    if len(stages) == 1:
        text = text.replace(f"Stage: {stages[0].name}\n", "", 1)
    return re.sub(r"\n+(?=%)", "\n\n", text) + "\n\n" + "\n".join(_runscript(stages[-1])) + "\n"


def _runscript(stage: Stage) -> list[str]:
    """As docker run: words given take the place of CMD, never of ENTRYPOINT."""
    entry, command = shlex.join(stage.entry), shlex.join(stage.command)
    lines = ["%runscript", f"cd {shlex.quote(stage.folder)}"] if stage.folder != "/" else ["%runscript"]
    with_words, without = f'{entry} "$@"'.strip(), f"{entry} {command}".strip()
    return [*lines, f"[ $# -eq 0 ] || exec {with_words}", f"exec {without or '/bin/sh'}"]


def double_quoted(value: str) -> str:
    """For a shell, with its variables still to be replaced, as Docker does it."""
    return '"' + re.sub(r'\\(?!\$)|["`]', r"\\\g<0>", value) + '"'

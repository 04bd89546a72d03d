"""A recipe as steps that mean the same in a Dockerfile and in a definition file."""

from __future__ import annotations

import re
from typing import NamedTuple

from jobwrap.image.dockerfile import pairs, parse_dockerfile

BASE, SHELL, VARIABLE, COPY, FETCH, USER, ENTRY, OTHER = (
    "base", "shell", "variable", "copy", "fetch", "user", "entry", "other",
)  # fmt: skip
_KINDS = {"USER": USER, "ENTRYPOINT": ENTRY, "RUN": SHELL}
_SECTIONS = {"post": SHELL, "setup": SHELL, "environment": VARIABLE, "files": COPY}
_ALLOWED = re.compile(r"#\s*jobwrap:\s*allow\s+([\w. -]+)")


class Step(NamedTuple):
    """One step of a recipe.

    kind  "base": an image; "shell": a command; "variable": NAME=VALUE; "copy": SOURCE… TARGET;
          "fetch": URL TARGET; "user"; "entry": what is run by default; "other"
    """

    line: int
    kind: str
    text: str


class Recipe(NamedTuple):
    """form: "Dockerfile" or "definition"; allowed: (line, rule) of the remarks that switch a rule off."""

    form: str
    steps: tuple[Step, ...]
    allowed: tuple[tuple[int, str], ...]


def read_recipe(text: str) -> Recipe:
    """The steps of either form; ValueError for a text that is none."""
    definition = re.search(r"^\s*bootstrap\s*:", text, re.IGNORECASE | re.MULTILINE)
    steps = _definition(text) if definition else _dockerfile(text)
    if not any(step.kind == BASE for step in steps) and not definition:
        raise ValueError("it is neither a Dockerfile, with a FROM, nor a definition file, with a Bootstrap:")
    allowed = [
        (number, rule)
        for number, line in enumerate(text.splitlines(), 1)
        for found in _ALLOWED.findall(line)
        for rule in found.split()
    ]
    return Recipe("definition" if definition else "Dockerfile", tuple(steps), tuple(allowed))


def commands(text: str) -> list[str]:
    """The single commands of a shell line, split at && || ; | outside of quotes."""
    found, quote, begin = [], "", 0
    for place, mark in enumerate(text):
        if quote:
            quote = "" if mark == quote else quote
        elif mark in "\"'":
            quote = mark
        elif mark in ";|&":
            found.append(text[begin:place])
            begin = place + 1
    return [each.strip() for each in [*found, text[begin:]] if each.strip()]


def _dockerfile(text: str) -> list[Step]:
    steps: list[Step] = []
    stages = set()
    for each in parse_dockerfile(text):
        words = each.text.split()
        if each.name == "FROM" and words:
            if words[0] not in stages and words[0] != "scratch":
                steps.append(Step(each.line, BASE, words[0]))
            if len(words) > 2 and words[1].lower() == "as":  # noqa: PLR2004  # IMAGE AS NAME
                stages.add(words[2])
        elif each.name == "ENV":
            steps += [Step(each.line, VARIABLE, f"{name}={value}") for name, value in pairs(each.text)]
        elif each.name in ("ADD", "COPY"):
            kind = FETCH if each.name == "ADD" and re.match(r"https?://", each.text) else COPY
            if each.flag("checksum") is None:
                steps.append(Step(each.line, kind, " ".join(words)))
        else:
            steps.append(Step(each.line, _KINDS.get(each.name, OTHER), each.text))
    return steps


def _definition(text: str) -> list[Step]:
    steps: list[Step] = []
    parts: list[str] = []
    section, bootstrap, begin = "", "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line.startswith("%"):
            section, parts = line[1:].split()[0] if line[1:].split() else "", []
            continue
        if not line or line.startswith("#"):
            continue
        header = re.match(r"(\w+)\s*:\s*(.*)", line)
        if (not section or (header and header[1].lower() == "bootstrap")) and header:
            section = ""
            bootstrap = header[2].lower() if header[1].lower() == "bootstrap" else bootstrap
            if header[1].lower() == "from" and bootstrap not in ("localimage", "scratch"):
                steps.append(Step(number, BASE, header[2]))
            continue
        begin = begin if parts else number
        parts.append(line[:-1].rstrip() if line.endswith("\\") else line)
        if not line.endswith("\\"):
            words = re.sub(r"^export\s+", "", "\n".join(parts))
            kind = _SECTIONS.get(section, OTHER)
            steps.append(Step(begin, kind, words if kind == VARIABLE else "\n".join(parts)))
            parts = []
    return steps

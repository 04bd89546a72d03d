"""A Dockerfile as its instructions: continuation lines joined, comments and flags apart.

Reference: docs.docker.com/reference/dockerfile. What BuildKit adds and nobody here reads, such as
heredocs, is marked so that it can be refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import NamedTuple

_DIRECTIVE = re.compile(r"#\s*(escape|syntax|check)\s*=\s*(\S+)", re.IGNORECASE)
_FLAG = re.compile(r"--([a-z-]+)(?:=(\S*))?\s+")
_HEREDOC = re.compile(r"<<-?([\"']?)(\w+)\1")
_QUOTED = r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])*"""
_PAIR = re.compile(rf"([A-Za-z_][\w.-]*)=({_QUOTED})(?:\s+|$)", re.DOTALL)
_VARIABLE = re.compile(r"(?<!\\)\$(?:\{(\w+)(?::?([-+])([^}]*))?\}|(\w+))")


class Instruction(NamedTuple):
    """One instruction, in upper case, with the line that it begins on.

    flags    (name, value) of its --name=value words
    text     the rest, its lines joined by one newline each
    heredoc  whether it goes on below with <<EOF
    """

    line: int
    name: str
    flags: tuple[tuple[str, str], ...]
    text: str
    heredoc: bool = False

    def flag(self, name: str) -> str | None:
        """The value of a flag, "" for one without, None where it is not given."""
        return dict(self.flags).get(name)

    def listed(self) -> list[str] | None:
        """The words of the JSON form, None for the form of a shell."""
        try:
            words = json.loads(self.text)
        except (ValueError, RecursionError):
            return None
        return words if isinstance(words, list) and all(isinstance(each, str) for each in words) else None


def parse_dockerfile(text: str) -> list[Instruction]:
    """The instructions of a Dockerfile, in order."""
    lines = text.splitlines()
    escape, found, number = _escape(lines), [], 0
    while number < len(lines):
        begin = number
        parts: list[str] = []
        while number < len(lines):
            line = lines[number].strip()
            number += 1
            if not line or line.startswith("#"):  # also between continued lines
                if parts:
                    continue
                break
            parts.append(line[:-1].rstrip() if line.endswith(escape) else line)
            if not line.endswith(escape):
                break
        if not parts:
            continue
        instruction = _instruction(begin + 1, "\n".join(parts))
        words = _HEREDOC.findall(instruction.text) if instruction.name in ("RUN", "COPY", "ADD") else []
        for _, word in words:
            while number < len(lines) and lines[number].strip() != word:
                number += 1
            number += 1
        found.append(instruction._replace(heredoc=bool(words)))
    return found


def pairs(text: str) -> list[tuple[str, str]]:
    """(name, value) of an ENV or LABEL; in the old form there is one name, and the rest is its value."""
    text = " ".join(text.split("\n"))
    found = _PAIR.findall(text)
    if "=" in text.partition(" ")[0] and found:
        return [(name, unquoted(value)) for name, value in found]
    name, _, value = text.partition(" ")
    return [(name, value.strip())]


def unquoted(value: str) -> str:
    """A value without its quotes and escapes; its variables stay, and \\$ where a $ stands for itself."""

    def part(found: re.Match[str]) -> str:
        if found[1] is not None:
            return found[1].replace("$", "\\$")
        return f"\\{found[2]}" if found[2] == "$" else found[2] or ""

    return re.sub(r"""'([^']*)'|\\(.)|["']""", part, value, flags=re.DOTALL)


def substituted(text: str, variables: Mapping[str, str]) -> str:
    """A text with its $NAME, ${NAME} and ${NAME:-default} replaced; KeyError for an unknown one."""

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[4]
        if found[2] == "+":
            return found[3] if variables.get(name) else ""
        if found[2] == "-" and not variables.get(name):
            return found[3]
        return variables[name]

    return _VARIABLE.sub(value, text)


def _escape(lines: list[str]) -> str:
    for line in lines:
        directive = _DIRECTIVE.match(line.strip())
        if not directive:
            break
        if directive[1].lower() == "escape":
            return directive[2]
    return "\\"


def _instruction(line: int, text: str) -> Instruction:
    name, _, rest = re.sub(r"^(\w+)\s+", r"\1 ", text).partition(" ")
    rest, flags = rest.lstrip(), []
    while flag := _FLAG.match(rest):
        flags.append((flag[1], flag[2] or ""))
        rest = rest[flag.end() :]
    return Instruction(line, name.upper(), tuple(flags), rest)

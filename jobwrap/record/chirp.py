"""Tell HTCondor's starter about the job: attributes for its ad, an event for its log.

The starter listens where $_CONDOR_CHIRP_CONFIG says (host, port, cookie). A command is a line, its
words escaped with backslashes; the answer is a line with a number, negative for no (HTCondor's
src/condor_chirp/chirp_protocol.h). set_job_attr_delayed takes names with the prefix Chirp and needs
no want_io_proxy; the job ad has them at the starter's next update, at the latest when the job ends.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobwrap.job.classad import Value

PREFIX = "ChirpJobwrap"
_MOST = 1000  # characters of one value
_TIMEOUT = 5.0  # seconds for one answer

# Attribute: where its value stands in the record.
_ATTRIBUTES = {
    "Failure": ("end", "failure"),
    "Action": ("end", "action"),
    "Advice": ("end", "advice"),
    "Who": ("end", "who"),
    "Sentence": ("end", "sentence"),
    "Guess": ("end", "guess", "sentence"),
    "CodeOf": ("end", "of"),
    "Image": ("image", "asked"),
    "ImagePin": ("image", "path"),
    "CpuLevel": ("node", "cpu", "level"),
    "RecordId": ("id",),
}


def attributes(record: Mapping[str, Any]) -> dict[str, Value]:
    """What the job ad gets, by the attribute's name; what the record lacks is undefined there."""
    found: dict[str, Value] = {name: _value(record, *path) for name, path in _ATTRIBUTES.items()}
    found["Failure"] = found["Failure"] or ""
    found["Action"] = found["Action"] or "leave"
    found["StageInSeconds"] = sum(
        phase.get("seconds", 0) for phase in record["phases"] if phase["name"] == "stage-in"
    )
    fetched = [each for each in record.get("transfers", ()) if each.get("cache") != "hit"]
    found["StageInBytes"] = sum(each["bytes"] for each in fetched)
    return {PREFIX + name: value for name, value in found.items()}


def event(record: Mapping[str, Any]) -> str:
    """One line for the job's event log: only of what jobwrap could not carry through."""
    end = record["end"]
    if end["failure"] is None or end["of"] == "task":
        return ""
    return " ".join(f"jobwrap: {end['failure']}: {end['sentence']}".split())


def config_of(environ: Mapping[str, str]) -> str:
    """The starter's configuration file, "" outside of a job of HTCondor's."""
    path = environ.get("_CONDOR_CHIRP_CONFIG", "")
    return path if path and os.path.isfile(path) else ""


def tell(config: str, values: Mapping[str, Value], event: str) -> str:
    """Tells the starter; the attributes it refused. OSError or ValueError where it cannot be told.

    The event needs want_io_proxy: a starter that does not take it is no problem.
    """
    from socket import create_connection

    with open(config) as file:
        host, port, cookie = file.read().split()
    commands: list[tuple[str, ...]] = [("cookie", cookie)]
    commands += [("set_job_attr_delayed", name, _expression(value)) for name, value in values.items()]
    if event:
        commands.append(("ulog", event))
    refused = []
    with create_connection((host, int(port)), _TIMEOUT) as connection, connection.makefile("rb") as answers:
        for command, *rest in commands:
            connection.sendall((" ".join((command, *map(_escaped, rest))) + "\n").encode())
            if not re.fullmatch(rb"\d+\s*", answers.readline(_MOST)) and command != "ulog":
                refused.append(rest[0] if command == "set_job_attr_delayed" else "its cookie")
    return ", ".join(refused)


def _value(record: Any, *path: str) -> Value:
    for name in path:
        record = (record or {}).get(name)
    value: Value = record
    return value


def _expression(value: Value) -> str:
    from jobwrap.job.classad import format_value  # 2 ms, for jobs of a pool

    return format_value(value[:_MOST].replace("\\", "/") if isinstance(value, str) else value)


def _escaped(word: str) -> str:
    return re.sub(r"([\\ \n\t\r])", r"\\\1", word)

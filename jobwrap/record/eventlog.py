"""HTCondor's event log of a job (`log = …` in the submit file), as text, XML or JSON.

Source: HTCondor's manual, "Job Event Log Codes", and logs that a pool of version 23.9 wrote.
"""

from __future__ import annotations

import calendar
import json
import re
import time
from collections.abc import Iterator
from html import unescape
from typing import Any, NamedTuple

SUBMIT, EXECUTE, EVICTED, TERMINATED, IMAGE_SIZE, SHADOW_EXCEPTION, ABORTED, HELD = 0, 1, 4, 5, 6, 7, 9, 12
REMOTE_ERROR, RECONNECT_FAILED = 21, 24
_MOST = 64 << 20  # bytes of a log that are read: its end

_HEAD = re.compile(
    r"^(\d{3}) \((\d+)\.(\d+)\.\d+\) "
    r"(?:(\d{4})-(\d\d)-(\d\d)|(\d\d)/(\d\d))[ T](\d\d):(\d\d):(\d\d)\S*(?: |$)"
)
# What the lines of an event mean, as the attribute that the same has in XML and JSON.
_LINES = tuple(
    (attribute, re.compile(pattern))
    for attribute, pattern in (
        ("HoldReasonCode", r"^\s*Code (\d+) Subcode"),
        ("HoldReasonSubCode", r"^\s*Code \d+ Subcode (\d+)"),
        ("CondorScratchDir", r'^\s*CondorScratchDir = "(.*)"'),
        ("Memory", r"^\s*Memory = (\d+)"),
        ("MemoryUsage", r"^\s*(\d+)  -  MemoryUsage of job"),
        ("TerminatedBySignal", r"Abnormal termination \(signal (\d+)\)"),
        ("ReturnValue", r"Normal termination \(return value (-?\d+)\)"),
        ("TerminatedAndRequeued", r"\(\d\) (Job terminated and was requeued)"),
        ("DAGNodeName", r"^\s*DAG Node: (.*\S)"),
    )
)
_REASONS = ("HoldReason", "Reason", "Message", "ErrorMsg")
_ATTRIBUTE = re.compile(r'<a n="(\w+)">\s*<(?:b v="(\w)"/>|([sire])>(.*?)</\3>)', re.DOTALL)


class Event(NamedTuple):
    """One event.

    number  what it is: SUBMIT and so on; job: its cluster and process
    at      seconds of some clock, to compare with those of other events of the same log
    facts   what it tells, under the names of the attributes; `Reason` why
    """

    number: int
    job: tuple[int, int]
    at: float
    facts: dict[str, Any]


def read(path: str) -> list[Event]:
    """The events in their order, without those that are damaged; OSError where the log cannot be read."""
    with open(path, "rb") as file:
        file.seek(max(0, file.seek(0, 2) - _MOST))
        text = file.read().decode(errors="replace")
    first = text.lstrip()[:1]
    parse = {"<": _xml, "{": _json, "[": _json}.get(first, _text)
    return list(parse(text))


def _text(text: str) -> Iterator[Event]:
    for block in re.split(r"^\.\.\.\s*$", text, flags=re.MULTILINE):
        head, _, body = block.strip("\r\n").partition("\n")
        match = _HEAD.match(head)
        if not match:
            continue
        number, cluster, proc, year, *rest = match.groups()
        month, day = (int(rest[0] or rest[2]), int(rest[1] or rest[3]))
        at = calendar.timegm((int(year or 2000), month, day, *map(int, rest[4:])))
        yield Event(int(number), (int(cluster), int(proc)), at, _facts_of(head + "\n" + body))


def _facts_of(block: str) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    _, _, body = block.partition("\n")
    first = body.partition("\n")[0].strip()
    if first and not first.startswith("Code "):
        facts["Reason"] = first
    for attribute, pattern in _LINES:
        for line in block.split("\n"):
            if match := pattern.search(line):
                facts[attribute] = int(match[1]) if match[1].lstrip("-").isdigit() else match[1]
    return facts


def _xml(text: str) -> Iterator[Event]:
    for block in re.split(r"^<c>\s*$", text, flags=re.MULTILINE)[1:]:
        found = {
            name: bool_ == "t" if bool_ else unescape(value)
            for name, bool_, _, value in _ATTRIBUTE.findall(block)
        }
        yield from _of_attributes({name: _number(value) for name, value in found.items()})


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else value


def _json(text: str) -> Iterator[Event]:
    decoder, at = json.JSONDecoder(), 0
    while (at := text.find("{", at)) >= 0:
        try:
            found, at = decoder.raw_decode(text, at)
        except ValueError:  # the log ends in the middle of it
            return
        yield from _of_attributes({**found, **(found.get("ExecuteProps") or {})})


def _of_attributes(found: dict[str, Any]) -> Iterator[Event]:
    reason = next((found[name] for name in _REASONS if name in found), None)
    node = re.search(r"DAG Node: (.*\S)", str(found.get("LogNotes", "")))
    facts = {
        **found,
        **({"Reason": str(reason)} if reason else {}),
        **({"DAGNodeName": node[1]} if node else {}),
    }
    try:
        at = calendar.timegm(time.strptime(found["EventTime"][:19], "%Y-%m-%dT%H:%M:%S"))
        yield Event(int(found["EventTypeNumber"]), (int(found["Cluster"]), int(found["Proc"])), at, facts)
    except (LookupError, TypeError, ValueError):
        return

"""A record for a person: how it ended first, then what it rested on."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from jobwrap.node.table import size

_RED, _GREEN, _YELLOW, _BOLD = "31", "32", "33", "1"


def lines(record: dict[str, Any], *, colour: bool = False) -> list[str]:
    """The record as lines of text, on a terminal with colours; what is missing in it is left out."""

    def painted(text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if colour else text

    told = [painted(*_verdict(record))]
    told += [f"  {line}" for line in _end(record.get("end") or {})]
    for head, line in (*_asked(record), *_where(record), *_went(record)):
        told.append(f"{painted(f'{head:<10}', _BOLD)}{line}")
    return told


def _verdict(record: dict[str, Any]) -> tuple[str, str]:
    if record["state"] != "finished":
        return f"lost in the phase {record['phase']}: jobwrap ended without its last word", _YELLOW
    end = record["end"]
    if end["failure"] is None:
        return "a checkpoint was taken" if end.get("checkpoint") else "all went well", _GREEN
    if end["code"] is None:
        return f"{end['failure']}, with an exit code that nobody saw", _RED
    whose = "the task's own" if end["of"] == "task" else "jobwrap's"
    return f"{end['failure']}, exit code {end['code']} ({whose})", _RED


def _end(end: dict[str, Any]) -> Iterator[str]:
    if end.get("failure"):
        yield end["sentence"]
        yield from (f"evidence: {each}" for each in end["evidence"])
        yield f"who acts: {end['who']}; try again: {end['advice']}"
        if end.get("guess"):
            yield f"a guess: {end['guess']['sentence']}"


def _asked(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    job = record["job"]
    ids = ", ".join(f"{name} {value}" for name, value in job["ids"].items())
    yield "job", ids or f"started by hand, {record['id'][:8]}"
    yield "command", shlex.join(job["command"])
    yield (
        "started",
        f"{record['started']}" + (f", took {record['seconds']:.2f} s" if "seconds" in record else ""),
    )
    yield "scratch", job["scratch"]


def _where(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    node = record.get("node")
    if node:
        cpu = ", ".join(filter(None, (node["machine"], node["cpu"]["level"], node["cpu"].get("model"))))
        yield "node", f"{node['hostname']}: {cpu}"
        if node["gpus"].get("granted"):
            yield "gpus", ", ".join(node["gpus"]["granted"])
    image = record.get("image")
    if image:
        yield "image", f"{image['asked']}, {image['kind']} {image['path']}"
    for dropped in (record.get("container") or {}).get("dropped", ()):
        yield "dropped", f"{dropped['source']}: {dropped['why']}"


def _went(record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    phases = [f"{each['name']} {each['seconds']:.2f} s" for each in record["phases"] if "seconds" in each]
    if phases:
        yield "phases", ", ".join(phases)
    if "timing" in record:
        yield "added", f"{record['timing']['added']:.2f} s by jobwrap itself"
    for each in record.get("transfers", ()):
        yield (
            "input",
            f"{each['name']}: {size(each['bytes'])} in {each['seconds']:.2f} s from {each['source']}",
        )
    for name, stream in record.get("streams", {}).items():
        yield name, _stream(stream)
        yield from (("", line) for line in stream.get("last_lines", ()))
    usage = record.get("usage")
    if usage and usage["sources"]:
        memory, source = size(usage.get("peak_memory", 0)), usage["sources"].get("peak_memory", "untold")
        yield "usage", f"{usage.get('cpu_seconds', 0):.2f} s of CPU, {memory} at most ({source})"
    for each in record.get("outputs", ()):
        yield "output", _output(each)


def _output(each: dict[str, Any]) -> str:
    where = f"in {each.get('seconds', 0):.2f} s to {each['url']}" if each["url"] else "in the scratch folder"
    return f"{each['name']}: {size(each['bytes'])} {where}{_digest(each.get('checksum'))}"


def _digest(checksum: list[str] | None) -> str:
    """As much of it as is compared by eye."""
    return f", {checksum[0]} {checksum[1][:12]}…" if checksum else ""


def _stream(stream: dict[str, Any]) -> str:
    parts = [f"in {stream['file']}"] if "file" in stream else []
    parts += [f"{size(stream['bytes'])} written"] if "bytes" in stream else []
    if "dropped" in stream:
        parts.append(f"{size(stream['dropped'])} of it dropped: {stream.get('problem', 'beyond the limit')}")
    return ", ".join(parts) or "its last lines"

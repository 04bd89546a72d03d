"""The exit record: one JSON object that says what happened; record/schema.json is its form.

It grows as the job goes on: run.py hands each room's noun in, and this file alone knows how it is
written down. Values of variables never are, and all goes through redact.py.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterable
from typing import Any

from jobwrap import __version__
from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Input, Job
from jobwrap.record.longlist import LongList
from jobwrap.record.redact import Secrets

SCHEMA = 1
LOST, FINISHED = "lost", "finished"
# What follows one another from jobwrap's start as a process to the record's end; and what of it is its own.
_SPANS = ("before", "container_start", "held", "task", "container_end", "after")
_OWN = ("before", "held", "after")
_MANY = 100  # entries of a list that stay objects while the task runs


class ExitRecord:
    """The record of one job; `fields` is what is written.

    moments  when the container stood, the task began and had ended, in seconds since the epoch
    """

    moments: tuple[float, ...] = ()

    def __init__(self, job: Job, secrets: Secrets) -> None:
        self._cleaned = secrets.cleaned
        self._clock = time.monotonic()
        self._phase_began = self._clock
        self.fields: dict[str, Any] = {
            "schema": SCHEMA,
            "jobwrap": {"version": __version__, "pid": os.getpid(), "boot": boot()},
            "id": os.urandom(16).hex(),
            "state": LOST,
            "phase": "start",
            "started": utc(),
            "job": self._cleaned(_job(job, self._listed(map(_input, job.inputs), len(job.inputs)))),
            "phases": [],
        }

    def begin(self, phase: str) -> None:
        """A phase begins, and with it the one before ends."""
        now = time.monotonic()
        self._end_phase(now)
        self._phase_began = now
        self.fields["phase"] = phase
        self.fields["phases"].append({"name": phase, "started": utc()})

    def note(self, **fields: Any) -> None:
        """Adds what a room found; the names are those of the schema."""
        for name, value in fields.items():
            long = isinstance(value, list) and len(value) > _MANY
            self.fields[name] = self._listed(value, len(value)) if long else self._cleaned(value)

    def extend(self, name: str, entries: Iterable[Any], count: int) -> None:
        """So many more entries of one of its lists."""
        known = self.fields.get(name)
        more = self._listed(entries, count)
        if known:
            both = itertools.chain(known, more)
            more = LongList(both) if LongList in (type(known), type(more)) else list(both)
        self.fields[name] = more

    def _listed(self, entries: Iterable[Any], count: int) -> list[Any] | LongList:
        """Each clean by itself: no list of words is told here, of which one could hide the next."""
        cleaned = map(self._cleaned, entries)
        return LongList(cleaned) if count > _MANY else list(cleaned)

    def identity(self) -> dict[str, str]:
        """What tells this run from others, in each line of a log."""
        ids = self.fields["job"]["ids"]
        job = {"job": f"{ids['ClusterId']}.{ids.get('ProcId', 0)}"} if "ClusterId" in ids else {}
        return {**job, "run": self.fields["id"][:8], "node": os.uname().nodename}

    def finish(self, end: dict[str, Any]) -> None:
        """The last word."""
        now = time.monotonic()
        self._end_phase(now)
        for fields in (self.fields, self.fields["job"]):  # no task runs any more, and all will be read
            fields.update({name: [*each] for name, each in fields.items() if isinstance(each, LongList)})
        self.fields["jobwrap"]["cost"] = _cost()
        if timing := _timing(self.fields["phases"], self.moments, now):
            self.fields["timing"] = timing
        self.note(end={**end, "phase": self.fields["phase"]})
        self.fields.update(state=FINISHED, phase=FINISHED, ended=utc(), seconds=round(now - self._clock, 4))

    def _end_phase(self, now: float) -> None:
        if self.fields["phases"]:
            self.fields["phases"][-1]["seconds"] = round(now - self._phase_began, 4)


def boot() -> str:
    """Which start of the machine this is, proc(5); "" where it does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""


def _cost() -> dict[str, Any]:
    """What jobwrap itself used until now: seconds of CPU, and bytes at its largest."""
    times = os.times()
    cost: dict[str, Any] = {"user_seconds": times.user, "system_seconds": times.system}
    try:
        with open("/proc/self/status") as file:
            peak = next(line for line in file if line.startswith("VmHWM:"))
        cost["peak_memory"] = int(peak.split()[1]) * 1024
    except (OSError, StopIteration):
        pass
    return cost


def _timing(phases: list[dict[str, Any]], moments: tuple[float, ...], now: float) -> dict[str, float]:
    """How long each of _SPANS was; {} if no task ran to its end, or if a clock was set meanwhile."""
    began, at, shift = {}, now, now - time.time()
    for phase in reversed(phases):
        at -= phase["seconds"]
        began[phase["name"]] = at
    try:
        start = now - _age()
    except (OSError, ValueError, IndexError):
        return {}
    marks = [start, began.get("launch", now), *(moment + shift for moment in moments)]
    marks += [began.get("stage-out", now), now]
    lengths = [round(later - earlier, 4) for earlier, later in zip(marks, marks[1:])]
    if len(lengths) != len(_SPANS) or min(lengths) < 0:
        return {}
    spans = dict(zip(_SPANS, lengths))
    return {**spans, "added": round(sum(spans[name] for name in _OWN), 4)}


def _age() -> float:
    """Seconds since this process was started, give or take half a tick of 10 ms: proc(5), the 22nd field."""
    with open("/proc/self/stat") as file:
        ticks = int(file.read().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - (ticks + 0.5) / os.sysconf("SC_CLK_TCK")


def utc(at: float | None = None) -> str:
    """A moment (seconds since the epoch; now) as ISO 8601 in UTC with milliseconds."""
    at = time.time() if at is None else at
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"


def without_secrets(place: str) -> str:
    """A path or URL without what may be secret in it: user information, query and fragment."""
    scheme, mark, rest = place.partition("://")
    if not mark:
        return place if ":" not in place.partition("/")[0] else place[:64]
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path.split('?')[0].split('#')[0]}"


def _job(job: Job, inputs: list[Any] | LongList) -> dict[str, Any]:
    return {
        "command": list(job.command),
        "ids": dict(job.ids),
        "image": job.image,
        "inputs": inputs,
        "outputs": [{"name": each.name, "url": without_secrets(each.url)} for each in job.outputs],
        "binds": [each._asdict() for each in job.binds],
        "environment": [name for name, _ in job.env],
        "scratch": job.scratch,
        "target": job.target,
        "here": job.here,
        **{name: getattr(job, name) for name in ("gpus", "cpus", "memory", "disk", "time", "grace")},
    }


def _input(asked: Input) -> dict[str, Any]:
    return {
        "name": asked.name,
        "places": [without_secrets(place) for place in asked.places],
        "checksum": ":".join(asked.checksum) if asked.checksum else None,
    }


def failure_of(error: JobwrapError) -> dict[str, Any]:
    """How a failure of the table stands in a record's end."""
    return {
        "failure": error.failure.name,
        "who": error.failure.who,
        "advice": error.failure.advice,
        "action": error.failure.action,
        "sentence": error.sentence,
    }

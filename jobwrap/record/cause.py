"""Why the batch system ended one start of a job, as its event log tells: an eviction, a hold, a removal."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.node.table import size
from jobwrap.record import eventlog
from jobwrap.record.eventlog import Event
from jobwrap.record.redact import Secrets

_ENDS = (eventlog.EVICTED, eventlog.TERMINATED, eventlog.SHADOW_EXCEPTION, eventlog.RECONNECT_FAILED)
_TOGETHER = 15  # seconds between a job's eviction and what it was evicted for
_OVER = re.compile(r"exceed|over |limit|more than", re.IGNORECASE)
# Codes of a hold by a rule: the job's own, the startd's, the schedd's, and one for memory
# (HTCondor's manual, "Hold Reason Codes").
_BY_A_RULE = (3, 21, 26, 34)


class Cause(NamedTuple):
    """What the log tells of a start.

    error     the failure, None where it names none
    evidence  what it says, a sentence each
    runs      there is no end of this start in it, or it has only just come
    """

    error: JobwrapError | None
    evidence: tuple[str, ...]
    runs: bool = False


def find_cause(record: Mapping[str, Any], log: str) -> Cause:
    """The cause for a record's end; OSError where the log cannot be read."""
    ids = record["job"]["ids"]
    job = (int(ids.get("ClusterId", -1)), int(ids.get("ProcId", 0)))
    events = eventlog.read(log)
    start = _start_of(record, [event for event in events if event.job == job])
    tries = _tries(events, job, ids.get("DAGNodeName", ""))
    if start is None:
        return Cause(None, (f"{log} does not tell of this start of the job", *tries))
    ends = [event for event in start if event.number in (*_ENDS, eventlog.HELD, eventlog.ABORTED)]
    if not ends or (len(ends) == 1 and ends[0] is start[-1] and _is_fresh(ends[0], log)):
        return Cause(None, tries, runs=True)
    last = _what_for(ends)
    return Cause(_error(last, start, record), (*_words(last), *tries))


def _start_of(record: Mapping[str, Any], events: list[Event]) -> list[Event] | None:
    """The events from the beginning of this start until the next; None if it is not to be found."""
    begins = [number for number, event in enumerate(events) if event.number == eventlog.EXECUTE]
    scratch, count = record["job"]["scratch"], record["job"]["ids"].get("NumJobStarts", "")
    # Newer HTCondor tells the folder of each start; else they are counted.
    fitting = [number for number in begins if events[number].facts.get("CondorScratchDir") == scratch]
    if not fitting and not any("CondorScratchDir" in events[number].facts for number in begins):
        fitting = begins[int(count) : int(count) + 1] if count.isdigit() else begins[: len(begins) == 1]
    if not fitting:
        return None
    later = [number for number in begins if number > fitting[-1]]
    return events[fitting[-1] : later[0] if later else None]


def _is_fresh(end: Event, log: str) -> bool:
    """Whether what the job was evicted for may still come."""
    return end.number == eventlog.EVICTED and time.time() - os.stat(log).st_mtime < _TOGETHER


def _what_for(ends: list[Event]) -> Event:
    """A hold or a removal that came with the end says more than the eviction that it began with."""
    first = ends[0]
    for event in ends[1:]:
        if event.number in (eventlog.HELD, eventlog.ABORTED) and event.at - first.at <= _TOGETHER:
            return event
    return first


def _error(last: Event, start: list[Event], record: Mapping[str, Any]) -> JobwrapError | None:
    reason = _reason(last) or "no reason was given"
    if last.number == eventlog.HELD:
        return _over_a_limit(last, start, record) or JobwrapError("batch.held", reason=reason)
    if last.number == eventlog.ABORTED:
        return JobwrapError("batch.removed", reason=reason)
    if last.number == eventlog.EVICTED and not last.facts.get("TerminatedAndRequeued"):
        return JobwrapError("batch.evicted")
    return None


def _over_a_limit(held: Event, start: list[Event], record: Mapping[str, Any]) -> JobwrapError | None:
    reason, facts = _reason(held), held.facts
    if facts.get("HoldReasonCode") not in _BY_A_RULE or not _OVER.search(reason):
        return None
    slot, usage = (record.get("node") or {}).get("slot") or {}, record.get("usage") or {}
    if re.search(r"memory", reason, re.IGNORECASE):
        told = [event.facts["MemoryUsage"] << 20 for event in start if "MemoryUsage" in event.facts]
        used = max([*told, usage.get("peak_memory") or 0])
        granted = slot.get("memory") or (start[0].facts.get("Memory") or 0) << 20
        return _limit("limit.memory", used, granted)
    if re.search(r"disk", reason, re.IGNORECASE):
        return _limit("limit.disk", usage.get("peak_disk"), slot.get("disk"))
    return None


def _limit(name: str, used: int | None, granted: int | None) -> JobwrapError:
    return JobwrapError(name, used=size(used or 0) or "too much", granted=size(granted or 0) or "less")


def _words(event: Event) -> list[str]:
    """What the log says of an event, in its own words."""
    facts, reason = event.facts, _reason(event)
    if event.number == eventlog.HELD:
        code, sub = facts.get("HoldReasonCode", "?"), facts.get("HoldReasonSubCode", 0)
        return [f"HTCondor's log: the job was held: {reason} (code {code}, subcode {sub})"]
    if event.number == eventlog.ABORTED:
        return [f"HTCondor's log: the job was removed: {reason}"]
    if event.number == eventlog.TERMINATED:
        signal, code = facts.get("TerminatedBySignal"), facts.get("ReturnValue")
        how = f"by signal {signal}" if signal else f"with exit code {code}"
        return [f"HTCondor's log: what it had started (jobwrap) ended {how}"]
    if event.number == eventlog.EVICTED:
        what = "ended and was requeued" if facts.get("TerminatedAndRequeued") else "was evicted"
        return [f"HTCondor's log: the job {what}"]
    return [f"HTCondor's log: it lost touch with the node: {reason}"]


def _tries(events: list[Event], job: tuple[int, int], name: str) -> tuple[str, ...]:
    """How often DAGMan has submitted the node that this job is of, if it is of one."""
    submits = [event for event in events if event.number == eventlog.SUBMIT]
    name = name or next((str(each.facts.get("DAGNodeName", "")) for each in submits if each.job == job), "")
    jobs = [each.job for each in submits if name and each.facts.get("DAGNodeName") == name]
    if job not in jobs or len(jobs) == 1:
        return ()
    tried = f"this was try {jobs.index(job) + 1} of {len(jobs)} that DAGMan made of the node {name}"
    again = [f"{cluster}.{proc}" for cluster, proc in jobs[jobs.index(job) + 1 :]]
    return (tried + (f"; after it came {', '.join(again)}" if again else ""),)


def _reason(event: Event) -> str:
    return Secrets(()).clean(" ".join(str(event.facts.get("Reason", "")).split()))

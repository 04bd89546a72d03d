"""Make a left-over record a final one, with what can still be known once jobwrap is no more.

HTCondor's event log of the job tells more than jobwrap could see: whether it was evicted, held or removed.
"""

from __future__ import annotations

import calendar
import fcntl
import os
import time
from collections.abc import Callable
from typing import Any

from jobwrap import control
from jobwrap.failures import JobwrapError
from jobwrap.record import journal
from jobwrap.record.cause import Cause, find_cause
from jobwrap.record.exitrecord import FINISHED, boot, failure_of, utc

RUNS, DONE, WAS_DONE = "its job still runs", "finished", "was finished already"
UNTOLD = "its log does not tell the end yet"
# What an event log can tell more of.
_OPEN = ("batch.terminated", "batch.lost")


def finish(path: str, read: Callable[[str], dict[str, Any]], log: str = "") -> str:
    """Finishes the record in `path`, a file or a scratch folder; a word of the above.

    log  HTCondor's event log of the job, "" for the one that its ad named, where that is there
    In a scratch folder the copy counts that the task could not see. OSError where it can't be written, or
    the log cannot be read.
    """
    target = os.path.join(path, journal.NAME) if os.path.isdir(path) else path
    inside = os.path.join(path, control.NAME, journal.INSIDE)
    source = inside if os.path.isfile(inside) and not _is_finished(target, read) else target
    record = read(source)
    log = log or _log_of(record)
    if record["state"] == FINISHED:
        return _name_cause(record, log, target)
    folder = (
        os.path.dirname(source) if source == inside else os.path.join(record["job"]["scratch"], control.NAME)
    )
    if _is_held(folder):
        return RUNS
    cause = find_cause(record, log) if log else None
    if cause and cause.runs:
        return UNTOLD
    _finish(record, os.stat(source).st_mtime)
    _take(record["end"], cause)
    journal.put(target, record)
    return DONE


def _name_cause(record: dict[str, Any], log: str, target: str) -> str:
    """A record that has its last word, but not why the batch system ended the job."""
    if not log or record["end"]["failure"] not in _OPEN or "finished_later" in record["jobwrap"]:
        return WAS_DONE
    cause = find_cause(record, log)
    if cause.runs:
        return UNTOLD
    record["jobwrap"]["finished_later"] = utc()
    _take(record["end"], cause)
    journal.put(target, record)
    return DONE


def _take(end: dict[str, Any], cause: Cause | None) -> None:
    """The end has its cause; what jobwrap itself saw stays as evidence."""
    if cause is None:
        return
    if cause.error:
        end["evidence"].append(f"jobwrap itself saw {end['failure']}: {end['sentence']}")
        end.update(failure_of(cause.error), guess=None)
    end["evidence"] += cause.evidence


def _log_of(record: dict[str, Any]) -> str:
    path = record["job"]["ids"].get("UserLog", "")
    return path if os.path.isfile(path) else ""


def _finish(record: dict[str, Any], last_sign: float) -> None:
    phase = record["phase"]
    error = JobwrapError("batch.lost", phase=phase, moment=utc(last_sign))
    record["end"] = {
        "of": "jobwrap",
        "code": None,
        "signal": None,
        "phase": phase,
        **failure_of(error),
        "evidence": _evidence(record),
    }
    record["jobwrap"]["finished_later"] = utc()
    seconds = round(max(0.0, last_sign - _moment(record["started"])), 3)
    record.update(state=FINISHED, phase=FINISHED, ended=utc(last_sign), seconds=seconds)


def _evidence(record: dict[str, Any]) -> list[str]:
    """What the machine can still tell, if it is the one that the job ran on."""
    there = (record.get("node") or {}).get("hostname", "")
    if there and there != os.uname().nodename:
        return [f"the job ran on {there}; nothing of it is to be seen from here"]
    was = record["jobwrap"].get("boot", "")
    if was and was != boot():
        return ["the machine was started anew since then"]
    return ["jobwrap was ended by SIGKILL, which can come from the batch system or for want of memory"]


def _is_finished(path: str, read: Callable[[str], dict[str, Any]]) -> bool:
    return os.path.isfile(path) and read(path)["state"] == FINISHED


def _is_held(folder: str) -> bool:
    """Whether a jobwrap, or the keeper that outlives it for a moment, has the control folder."""
    try:
        lock = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return False
    except OSError:
        return True
    finally:
        os.close(lock)


def _moment(text: str) -> float:
    """Seconds since the epoch from what utc() writes."""
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")) + float(text[19:-1])

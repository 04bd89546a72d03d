"""Make a left-over record a final one, with what can still be known once jobwrap is no more."""

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
from jobwrap.record.exitrecord import FINISHED, boot, failure_of, utc

RUNS, DONE, WAS_DONE = "its job still runs", "finished", "was finished already"


def finish(path: str, read: Callable[[str], dict[str, Any]]) -> str:
    """Finishes the record in `path`, a file or a scratch folder; a word of the above.

    In a scratch folder the copy counts that the task could not see. OSError where it can't be written.
    """
    target = os.path.join(path, journal.NAME) if os.path.isdir(path) else path
    inside = os.path.join(path, control.NAME, journal.INSIDE)
    source = inside if os.path.isfile(inside) and not _is_finished(target, read) else target
    record = read(source)
    if record["state"] == FINISHED:
        return WAS_DONE
    folder = (
        os.path.dirname(source) if source == inside else os.path.join(record["job"]["scratch"], control.NAME)
    )
    if _is_held(folder):
        return RUNS
    _finish(record, os.stat(source).st_mtime)
    journal.put(target, record)
    return DONE


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

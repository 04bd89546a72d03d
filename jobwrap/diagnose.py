"""From what was seen at the end of a container to what went wrong; a guess is called a guess."""

from __future__ import annotations

import errno
import os
import re
import signal
from typing import TYPE_CHECKING, Any, NamedTuple

from jobwrap.failures import USER, JobwrapError
from jobwrap.record.exitrecord import failure_of
from jobwrap.signals import signal_name, terminated

if TYPE_CHECKING:
    from jobwrap.job.spec import Job
    from jobwrap.launch.supervise import TaskEnd

# The sentences of the runtimes that mean something particular: pattern, failure.
_RUNTIME_WORDS = (
    (r"user namespace|uid_map|newuidmap|unprivileged|namespace: operation not", "site.no_user_namespaces"),
    (r".", "site.runtime_failed"),
)
_SIGNAL_BASE = 128
_NO_ROOM = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
_NO_THREAD = "can't start new thread"  # Python's words, which have no number
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Guess(NamedTuple):
    """What may be the cause, where nothing tells for certain; who and advice as in failures.py."""

    sentence: str
    who: str
    advice: str


class Ending(NamedTuple):
    """The end of a run.

    code      jobwrap's own exit code
    signal    what the task was ended by, None without one
    of        whose the code is: "task" or "jobwrap"
    error     the failure with its sentence, None if all went well
    evidence  what speaks for it, a sentence each
    guess     at the cause, None without one
    checkpoint  whether the task says that it took one, and wants to be started again
    """

    code: int
    signal: int | None
    of: str
    error: JobwrapError | None
    evidence: tuple[str, ...] = ()
    guess: Guess | None = None
    checkpoint: bool = False


def diagnose(end: TaskEnd, job: Job, runtime: str, container: str) -> Ending:
    """What the end of the container means.

    runtime    what was to start it, for the sentence
    container  what jobwrap itself was started inside, ""
    """
    if end.said.refused is not None:
        return _refused(end.said.refused, end.said.found, job.command[0])
    status = end.said.status
    if status is None:
        return _no_word(end, runtime, container, job.time)
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    code = _SIGNAL_BASE + number if number else os.WEXITSTATUS(status)
    checkpoint = number is None and code == job.checkpoint_exit_code
    failure = _failure(end, 0 if checkpoint else code, number, job.time)
    return Ending(code, number, "task", failure, checkpoint=checkpoint)


def _failure(end: TaskEnd, code: int, number: int | None, limit: float | None) -> JobwrapError | None:
    if end.over:
        return end.over
    if end.ended_by:
        return terminated(end.ended_by)
    if end.timed_out:
        return JobwrapError("limit.time", seconds=limit)
    if number:
        return JobwrapError("task.killed", signal=number, signal_name=signal_name(number))
    if code:
        return JobwrapError("task.failed", code=code)
    return None


def _refused(number: int, found: bool, command: str) -> Ending:
    if number == errno.ENOENT and not found:
        return failed(JobwrapError("task.not_found", command=command, where="the image", near=""))
    problem = os.strerror(number)
    if number == errno.ENOENT:
        problem = "it is there, but what its first line or its header names to run it is not"
    if number == errno.ENOEXEC:
        problem = "it is neither a program for this machine nor a script with #! in its first line"
    return failed(JobwrapError("task.not_executable", command=command, problem=problem, number=number))


def _no_word(end: TaskEnd, runtime: str, container: str, limit: float | None) -> Ending:
    """The gate did not tell how the task ended: it never started, or all was killed together."""
    if end.said.opened:  # by the grace period's end, by the task itself, or from outside
        code = _SIGNAL_BASE + signal.SIGKILL
        evidence = ("every process of the container was killed at once",)
        return Ending(code, signal.SIGKILL, "task", _failure(end, code, signal.SIGKILL, limit), evidence)
    if end.ended_by:
        return failed(terminated(end.ended_by))
    if end.over:  # it would never have stood
        return failed(end.over)
    if end.timed_out:  # nor had it by the end of the grace period
        return failed(JobwrapError("limit.time", seconds=limit, signal=int(signal.SIGKILL)))
    if not end.kept and not end.words:
        return failed(JobwrapError("site.exhausted", problem=f"what was to start {runtime} could not work"))
    return failed(runtime_failure(end.words, runtime, container), *last_words(end.words))


def unforeseen(error: Exception) -> JobwrapError:
    """The failure for what no room has caught: the node has no room for it, or a defect of jobwrap's own."""
    number = getattr(error, "errno", None)
    if number in _NO_ROOM or isinstance(error, MemoryError) or _NO_THREAD in str(error):
        return JobwrapError("site.exhausted", problem=getattr(error, "strerror", None) or str(error))
    if number in _FULL:
        place = getattr(error, "filename", None) or "of this job"
        return JobwrapError("site.scratch", path=place, problem=os.strerror(number))
    return JobwrapError("jobwrap.bug", problem=f"{type(error).__name__}: {error}")


def runtime_failure(words: str, runtime: str, container: str) -> JobwrapError:
    """The failure of a runtime that could not start the container, from its own words."""
    told = last_words(words)
    problem = told[-1] if told else "it said nothing"
    if container:
        return JobwrapError("site.no_nesting", problem=problem)
    name = next(name for pattern, name in _RUNTIME_WORDS if re.search(pattern, problem, re.IGNORECASE))
    return JobwrapError(name, runtime=runtime, problem=problem)


def last_words(words: str) -> tuple[str, ...]:
    """The last lines of a runtime that tell why, without its colours and level; FATAL before the rest."""
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line).strip() for line in words.splitlines()]
    fatal = [line for line in lines if line.startswith(("FATAL", "ERROR", "fatal error:", "panic:"))]
    return tuple(
        re.sub(r"^(FATAL|ERROR|WARNING|INFO)\s*:\s*", "", line) for line in (fatal or lines) if line
    )[-3:]


def failed(error: JobwrapError, *evidence: str) -> Ending:
    """The ending of a job that jobwrap itself could not carry through."""
    code = error.failure.code
    if code is None:  # the table's rows for signals: as a shell would put it
        code = _SIGNAL_BASE + int(str(error.facts.get("signal", 0)))
    return Ending(code, None, "jobwrap", error, evidence)


def with_infra_code(ending: Ending, code: int | None) -> Ending:
    """The one exit code that some pools want for whatever was not the user's to repair.

    Pegasus takes 71 for that, older OSG pools 90; the task's own end keeps its code.
    """
    if code is None or ending.of == "task" or ending.error is None or ending.error.failure.who == USER:
        return ending
    return ending._replace(code=code)


def as_end(ending: Ending) -> dict[str, Any]:
    """What the exit record says under `end`."""
    return {
        "of": ending.of,
        "code": ending.code,
        "signal": ending.signal,
        **(failure_of(ending.error) if ending.error else {"failure": None}),
        "evidence": list(ending.evidence),
        "guess": ending.guess and ending.guess._asdict(),
        **({"checkpoint": True} if ending.checkpoint else {}),
    }

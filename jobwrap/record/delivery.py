"""Where the finished record goes besides its file: stdout, files, collectors, HTCondor, Pegasus, a person.

Nothing here can fail the job or hold it up for longer than the deadline.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from jobwrap.failures import REQUEUE
from jobwrap.job.spec import Job
from jobwrap.record import journal

_DEADLINE = 10.0  # seconds for all that goes over a network, at once


def deliver(record: dict[str, Any], job: Job, cache: str, environ: Mapping[str, str]) -> list[str]:
    """Delivers the record wherever job and surroundings ask for it; what went wrong, a sentence each."""
    problems: list[str] = []
    for way in (_to_files, _to_condor, _to_pegasus, _over_the_network, _to_a_person):
        try:
            problems += way(record, job, cache, environ)
        except Exception as error:  # whatever it is, the job has ended as it has ended
            problems.append(f"the record could not be delivered: {type(error).__name__}: {error}")
    return problems


def _to_files(record: dict[str, Any], job: Job, _cache: str, _environ: Mapping[str, str]) -> Iterator[str]:
    for place in job.copies:
        try:
            if place == "-":
                _say(json.dumps(record) + "\n")
            elif not _is_url(place):
                journal.put(place, record)
        except OSError as error:
            yield f"the record could not be written to {place}: {error.strerror}"


def _say(text: str) -> None:
    """To stdout, which the caller may have closed."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    sys.stdout.write(text)
    sys.stdout.flush()


def _to_condor(record: dict[str, Any], _job: Job, _cache: str, environ: Mapping[str, str]) -> Iterator[str]:
    """The file by which a USER_JOB_WRAPPER says that the job shall run again, elsewhere; one line."""
    path = environ.get("_CONDOR_WRAPPER_ERROR_FILE", "")
    end = record["end"]
    if path and end["of"] == "jobwrap" and end.get("action") == REQUEUE:
        try:
            _write(path, f"jobwrap: {end['failure']}: {' '.join(end['sentence'].split())}\n")
        except OSError as error:
            yield f"{path} could not be written: {error.strerror}"


def _to_pegasus(record: dict[str, Any], job: Job, _cache: str, environ: Mapping[str, str]) -> Iterator[str]:
    folder = environ.get("PEGASUS_MULTIPART_DIR", "")
    if not folder and not job.kickstart:
        return
    from jobwrap.record import kickstart

    place = job.kickstart
    try:
        if place == "-":
            _say(kickstart.invocation(record, environ))
        elif place:
            _write(place, kickstart.invocation(record, environ))
        place = os.path.join(folder, f"{int(time.time())}-jobwrap")  # they are read in the order of names
        if folder:
            _write(place, kickstart.multipart(record))
    except OSError as error:
        yield f"{place} could not be written: {error.strerror}"


def _to_a_person(record: dict[str, Any], job: Job, _cache: str, _environ: Mapping[str, str]) -> Iterator[str]:
    if job.timing:
        from jobwrap.record.timing import lines

        print("jobwrap: where the time went", *lines(record), sep="\n", file=sys.stderr, flush=True)
    return iter(())


def _write(path: str, text: str) -> None:
    """Not through a link or into a FIFO that the task has left in its place."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK
    with os.fdopen(os.open(path, flags, 0o644), "w", encoding="utf-8") as file:
        file.write(text)


def _over_the_network(
    record: dict[str, Any], job: Job, cache: str, environ: Mapping[str, str]
) -> Iterator[str]:
    urls = [place for place in job.copies if _is_url(place)]
    if not urls and "_CONDOR_CHIRP_CONFIG" not in environ:
        return
    from jobwrap.node.probe import ask_all
    from jobwrap.record import chirp, collector

    spool = collector.spool_of(cache)
    errands: list[tuple[str, tuple[Any, ...]]] = [(url, (collector.post, url, record, spool)) for url in urls]
    config = chirp.config_of(environ)
    if config:
        told = (chirp.tell, config, chirp.attributes(record), chirp.event(record))
        errands.append(("the starter", told))
    for (whom, errand), answer in zip(errands, ask_all(_run, errands, deadline=_DEADLINE)):
        kept = f"; {collector.keep(*errand[1:])}" if answer and errand[0] is collector.post else ""
        if answer:
            yield f"{whom} did not take the record: {answer}{kept}"


def _run(errand: Any, *arguments: Any) -> Any:
    return errand(*arguments)


def _is_url(place: str) -> bool:
    return place.startswith(("http://", "https://"))

"""Where jobwrap itself writes because the job says so, held against what the site lets its jobs see.

It does so as the job's user and outside of the container: without this, a task could have a file put
where it cannot see. What is written after the task is judged once more then: with a link in the place of
a folder of its own, a task could lead it anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Job
from jobwrap.letters import scheme_of
from jobwrap.node.probe import Hung, ask
from jobwrap.settings import Settings
from jobwrap.transfer.url import path_of


def judge(job: Job, call: Mapping[str, Any], settings: Settings) -> None:
    """JobwrapError policy.forbidden for a place that is neither in scratch nor below policy.bind_sources.

    What the site's own defaults name is the site's to know; without that policy a user writes what is his.
    """
    if settings.bind_sources is None:
        return
    places = sorted(set(_places(job, call)) - set(_places_of_the_site(settings)))
    if not places:
        return
    tops = [job.scratch, *settings.bind_sources]
    try:
        where: list[str] = ask(_resolve, [*tops, *places], deadline=settings.deadline, what="where it writes")
    except Hung as hung:
        raise JobwrapError("site.cvmfs_hung", path=", ".join(places), seconds=hung.seconds) from hung
    allowed, found = where[: len(tops)], where[len(tops) :]
    for place, path in zip(places, found):
        if not any(path == top or path.startswith(top.rstrip("/") + "/") for top in allowed):
            raise JobwrapError("policy.forbidden", what=f"writing to {place}", rule="policy.bind_sources")


def without_ways_out(job: Job, call: Mapping[str, Any], settings: Settings) -> tuple[Job, list[str]]:
    """The job without files for copies of its record, and why, where its task has led one of them astray."""
    places = (*job.copies, job.kickstart)
    files = [place for place in places if place and place != "-" and not scheme_of(place)]
    if not files:
        return job, []
    try:
        judge(job, call, settings)
        return job, []
    except JobwrapError as error:
        copies = tuple(place for place in job.copies if place not in files)
        kickstart = "" if job.kickstart in files else job.kickstart
        return job._replace(copies=copies, kickstart=kickstart), [error.sentence]


def _places(job: Job, call: Mapping[str, Any]) -> Iterator[str]:
    named = (job.record, *job.copies, job.kickstart, call.get("log", ""))
    local = (each.url for each in job.outputs if scheme_of(each.url) in ("", "file"))
    for place in (*named, *map(_path, local)):
        if place and place != "-" and not scheme_of(place):
            yield os.path.abspath(place)


def _path(url: str) -> str:
    try:
        return path_of(url)
    except ValueError:
        return ""  # of another host: nothing is written


def _places_of_the_site(settings: Settings) -> Iterator[str]:
    defaults = settings.defaults
    outputs = (each.url for each in defaults.get("output", ()))
    for place in (*defaults.get("record", ()), defaults.get("kickstart", ""), *outputs):
        yield os.path.abspath(place)


def _resolve(paths: list[str]) -> list[str]:
    """With all links followed; what is not there yet counts by the folders that are."""
    return [os.path.realpath(path) for path in paths]

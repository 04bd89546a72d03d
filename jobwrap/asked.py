"""From the words on the command line and everything they rest on to one Job and the site's Settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.job import htcondor
from jobwrap.job.files import read_table
from jobwrap.job.merge import apply_policy, merge
from jobwrap.job.options import Layer, parse_keys, parse_words
from jobwrap.node.container import find_container
from jobwrap.settings import Settings, named_settings


class Asked(NamedTuple):
    """What jobwrap was called for; call holds the options that tell how, not what."""

    job: Any
    settings: Settings
    machine_ad: htcondor.Ad
    call: Layer


def read_asked(arguments: list[str], environ: Mapping[str, str]) -> Asked:
    """Reads it all; JobwrapError job.*, site.settings or policy.forbidden.

    A site's file may be named before any word of the job: --site FILE, as the first two words.
    """
    settings, arguments = named_settings(arguments)
    try:
        flags, command = parse_words(arguments)
    except ValueError as error:
        raise JobwrapError("job.usage", problem=str(error)) from error
    job_file: Layer = {}
    if "job" in flags:
        job_file, file_command = _read_job_file(flags["job"])
        command = command or file_command
    ad = htcondor.read_ad("_CONDOR_JOB_AD", environ)
    inside = htcondor.wants_container(ad) and bool(find_container(environ))
    submitted = _submitted(ad, environ)
    layers = [flags, job_file, htcondor.layer_of(ad, inside), _below(submitted, settings.defaults)]
    job = merge(layers, command, environ, htcondor.ids_of(ad))._replace(submitted=submitted)
    job = apply_policy(job, settings)
    if settings.bind_sources is not None:
        from jobwrap.destinations import judge

        judge(job, flags, settings)
    return Asked(job, settings, htcondor.read_ad("_CONDOR_MACHINE_AD", environ), flags)


def _submitted(ad: htcondor.Ad, environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    try:
        return htcondor.variables_of(ad, environ)
    except ValueError as error:
        problem = f"the environment of the job ad cannot be read: {error}"
        raise JobwrapError("job.usage", problem=problem) from error


def _below(submitted: tuple[tuple[str, str], ...], defaults: Layer) -> Layer:
    """The site's defaults without the variables that the job ad sets."""
    if not (submitted and "env" in defaults):
        return defaults
    names = {name for name, _ in submitted}
    return {**defaults, "env": [each for each in defaults["env"] if each[0] not in names]}


def _read_job_file(path: str) -> tuple[Layer, tuple[str, ...]]:
    try:
        table = read_table(path)
        command = table.pop("command", [])
        if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
            raise ValueError("command must be a list of texts")
        return parse_keys(table), tuple(command)
    except (OSError, ValueError) as error:
        problem = error.strerror if isinstance(error, OSError) else str(error)
        raise JobwrapError("job.file", path=os.path.abspath(path), problem=problem) from error

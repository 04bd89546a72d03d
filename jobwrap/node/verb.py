"""jobwrap node: what this node is and can do, for people, for programs, and for a pool to match on."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.job import htcondor
from jobwrap.job.words import duration
from jobwrap.node.advertise import classad_lines
from jobwrap.node.cvmfs import repository_of
from jobwrap.node.report import Report, as_record, make_report
from jobwrap.node.survey import survey
from jobwrap.node.table import table_lines
from jobwrap.settings import Settings, named_settings

_HELP = """usage: jobwrap node [--site FILE] [--json | --classad] [--test]
                    [--repository NAME]... [--deadline TIME]

What this node is and can do: CPU level, GPUs, container runtime, slot, CVMFS.

  --site FILE        the site's settings, as for a run; the first words
  --json             for programs
  --classad          as a STARTD_CRON job prints it, by the names that pools match on
  --test             try the runtime too, which starts some containers
  --repository NAME  a CVMFS repository to look at besides those of the image trees and of the job ad
  --deadline TIME    for each look that may hang (the site's setting, else 20 s)
"""
_FORMS = {
    "": table_lines,
    "json": lambda report: [json.dumps(as_record(report), indent=1)],
    "classad": classad_lines,
}


class _Options(NamedTuple):
    form: str
    test: bool
    repositories: tuple[str, ...]
    deadline: float | None


def main(arguments: list[str]) -> int:
    """The exit code: 0, or that of a failure."""
    if "--help" in arguments:
        print(_HELP, end="")
        return 0
    try:
        settings, words = named_settings(arguments)
        options = _parse(words)
        report = _look(options, settings, os.environ)
    except JobwrapError as error:
        print(f"jobwrap: {error.sentence}", file=sys.stderr)
        return error.failure.code or 1
    print("\n".join(_FORMS[options.form](report)))
    return 0


def _parse(arguments: list[str]) -> _Options:
    form, test, repositories, deadline = "", False, [], None
    rest = iter(arguments)
    for word in rest:
        name, equals, value = word.partition("=")
        if name in ("--json", "--classad") and not equals:
            form = name[2:]
        elif word == "--test":
            test = True
        elif name in ("--repository", "--deadline"):
            value = value if equals else next(rest, "")
            if name == "--repository":
                repositories.append(_repository_name(value))
            else:
                deadline = _seconds(value)
        else:
            raise JobwrapError("job.usage", problem=f"jobwrap node does not know {word}")
    return _Options(form, test, tuple(repositories), deadline)


def _repository_name(word: str) -> str:
    if not word or "/" in word.strip("/") or word.strip("/") in (".", ".."):
        raise JobwrapError(
            "job.usage", problem=f"--repository takes a name such as data.example.org, not {word!r}"
        )
    return word.strip("/")


def _seconds(word: str) -> float:
    try:
        return float(duration(word))
    except ValueError as error:
        raise JobwrapError("job.usage", problem=f"--deadline: {error}") from error


def _look(options: _Options, settings: Settings, environ: Mapping[str, str]) -> Report:
    if settings.cvmfs:
        environ = {**environ, "CVMFS_MOUNT_DIR": settings.cvmfs}
    deadline = settings.deadline if options.deadline is None else options.deadline
    node = survey(
        environ,
        htcondor.read_ad("_CONDOR_MACHINE_AD", environ),
        environ.get("_CONDOR_SCRATCH_DIR") or os.getcwd(),
        runtime=settings.runtime,
        deadline=deadline,
    )
    listed = htcondor.read_ad("_CONDOR_JOB_AD", environ).get("cvmfsreposlist")
    wanted = [repository_of(tree, node.cvmfs) for tree in settings.image_trees]
    wanted += str(listed).replace(",", " ").split() if isinstance(listed, str) else []
    wanted += options.repositories
    names = tuple(dict.fromkeys(name for name in wanted if name))
    return make_report(node, names, deadline, test=options.test)

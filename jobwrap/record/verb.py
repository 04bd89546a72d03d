"""jobwrap record VERB: read exit records, compare them, finish those that a jobwrap left behind."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from jobwrap.record import journal

_USAGE, _DATA, _UNWRITABLE = 64, 65, 73  # sysexits.h


class Unreadable(Exception):
    """A record that cannot be read; the text says which and why."""


def main(arguments: list[str]) -> int:
    """record show | validate | diff | finish | crate; 0 for yes, 1 for no, 64 and up as in sysexits.h."""
    try:
        asked = _parser().parse_args(arguments)
    except SystemExit as end:
        return _USAGE if end.code else 0
    try:
        code: int = asked.walk(asked)
        return code
    except Unreadable as problem:
        print(f"jobwrap: {problem}", file=sys.stderr)
        return _DATA
    except (LookupError, TypeError, AttributeError) as error:
        print(
            f"jobwrap: not of the form of a record ({error!r}); see jobwrap record validate", file=sys.stderr
        )
        return _DATA
    except OSError as error:
        print(f"jobwrap: {error.filename}: {error.strerror}", file=sys.stderr)
        return _UNWRITABLE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="jobwrap record", description=__doc__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    def add(name: str, walk: Callable[[argparse.Namespace], int], what: str, many: str | int) -> Any:
        verb = verbs.add_parser(name, help=what, description=what)
        verb.set_defaults(walk=walk)
        verb.add_argument("record", nargs=many, help="a record, or a scratch folder with one")
        return verb

    add("show", _show, "what happened, for a person", "+")
    add("validate", _validate, "whether it has the form of the schema; 1 if not", "+")
    add("diff", _diff, "what was different between two runs; 1 if anything", 2)
    finish = add(
        "finish", _finish, "make a left-over record a final one, with its cause; 1 if its job still runs", "+"
    )
    finish.add_argument("--log", default="", help="HTCondor's event log of the job (its ad's UserLog)")
    crate = add("crate", _crate, "an RO-Crate (Process Run Crate) beside the record", 1)
    crate.add_argument("--agent", default="", help="who ran it: a name, or https://orcid.org/…")
    crate.add_argument("--license", default="", help="of the crate: a URL, or words")
    return parser


def read(path: str) -> dict[str, Any]:
    """The record in a file, or in a scratch folder; Unreadable where there is none."""
    if os.path.isdir(path):
        path = os.path.join(path, journal.NAME)
    try:
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise Unreadable(f"{path} is no record: {error}") from error
    if not isinstance(record, dict) or not {"schema", "state", "phase", "job"} <= set(record):
        raise Unreadable(f"{path} is no exit record of jobwrap's")
    return record


def _show(asked: argparse.Namespace) -> int:
    from jobwrap.record.show import lines

    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print("\n\n".join("\n".join(lines(read(path), colour=colour)) for path in asked.record))
    return 0


def _validate(asked: argparse.Namespace) -> int:
    from jobwrap.record.form import problems

    found = [f"{path}: {problem}" for path in asked.record for problem in problems(read(path))]
    print("\n".join(found) or "valid")
    return 1 if found else 0


def _diff(asked: argparse.Namespace) -> int:
    from jobwrap.record.difference import differences

    found = differences(*map(read, asked.record))
    for where, *values in found:
        print(where, *(f"  {_plain(value)}" for value in values), sep="\n")
    return 1 if found else 0


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _finish(asked: argparse.Namespace) -> int:
    from jobwrap.record import finish

    told = [(path, finish.finish(path, read, asked.log)) for path in asked.record]
    print("\n".join(f"{path}: {word}" for path, word in told))
    return 1 if any(word in (finish.RUNS, finish.UNTOLD) for _, word in told) else 0


def _crate(asked: argparse.Namespace) -> int:
    from jobwrap.record.crate import write

    (path,) = asked.record
    path = os.path.join(path, journal.NAME) if os.path.isdir(path) else path
    print(write(read(path), path, asked.agent, asked.license))
    return 0

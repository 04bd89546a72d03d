"""jobwrap record VERB: read exit records, compare them, finish those that a jobwrap left behind."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from jobwrap.record import journal

_USAGE, _DATA, _UNWRITABLE = 64, 65, 73  # sysexits.h


class Unreadable(Exception):
    """A record that cannot be read; the text says which and why."""


def main(arguments: list[str]) -> int:
    """record show | validate | diff | finish; 0 for yes, 1 for no, 64 and 65 as sysexits.h has them."""
    parser = argparse.ArgumentParser(prog="jobwrap record", description=__doc__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    show = verbs.add_parser("show", help="what happened, for a person")
    validate = verbs.add_parser("validate", help="whether it has the form of the schema; 1 if not")
    diff = verbs.add_parser("diff", help="what was different between two runs; 1 if anything")
    finish = verbs.add_parser("finish", help="make a left-over record a final one; 1 if its job still runs")
    for verb, walk in ((show, _show), (validate, _validate), (diff, _diff), (finish, _finish)):
        verb.set_defaults(walk=walk)
    show.add_argument("record", nargs="+", help="a record, or a scratch folder with one")
    validate.add_argument("record", nargs="+")
    diff.add_argument("record", nargs=2)
    finish.add_argument("record", nargs="+", help="a record, or the scratch folder of a job that is no more")
    try:
        asked = parser.parse_args(arguments)
    except SystemExit as end:
        return _USAGE if end.code else 0
    try:
        code: int = asked.walk(asked.record)
        return code
    except Unreadable as problem:
        print(f"jobwrap: {problem}", file=sys.stderr)
        return _DATA
    except (LookupError, TypeError, AttributeError) as error:
        print(
            f"jobwrap: not of the form of a record ({error!r}); see jobwrap record validate", file=sys.stderr
        )
        return _DATA


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


def _show(paths: list[str]) -> int:
    from jobwrap.record.show import lines

    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print("\n\n".join("\n".join(lines(read(path), colour=colour)) for path in paths))
    return 0


def _validate(paths: list[str]) -> int:
    from jobwrap.record.form import problems

    found = [f"{path}: {problem}" for path in paths for problem in problems(read(path))]
    print("\n".join(found) or "valid")
    return 1 if found else 0


def _diff(paths: list[str]) -> int:
    from jobwrap.record.difference import differences

    found = differences(*map(read, paths))
    for where, *values in found:
        print(where, *(f"  {_plain(value)}" for value in values), sep="\n")
    return 1 if found else 0


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _finish(paths: list[str]) -> int:
    from jobwrap.record.finish import finish

    code = 0
    for path in paths:
        try:
            told = finish(path, read)
        except OSError as error:
            print(f"jobwrap: {error.filename}: {error.strerror}", file=sys.stderr)
            return _UNWRITABLE
        print(f"{path}: {told}")
        code = code or (1 if told == "its job still runs" else 0)
    return code

"""jobwrap image: what images there are, whether they run here, and recipes that run everywhere."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.image.choose import Image, choose
from jobwrap.image.fit import in_words, judge
from jobwrap.image.looker import Looker
from jobwrap.job import htcondor
from jobwrap.job.spec import Job
from jobwrap.node.survey import Node, survey
from jobwrap.settings import Settings, named_settings

_HELP = """usage: jobwrap image [--site FILE] list [--json]
       jobwrap image [--site FILE] show [--json] REFERENCE [-- COMMAND …]
       jobwrap image lint [--json] [--strict] FILE…
       jobwrap image convert [--arg NAME=VALUE]… [--output FILE] DOCKERFILE

  list     what the catalog has, which variant a job gets on this node, and why not the others
  show     what an image, and the program of a command in it, need and what of that this node has
  lint     what in a Dockerfile or definition file breaks elsewhere or changes; --strict: warnings count
  convert  a Dockerfile as a definition file

  --site FILE  the site's settings, as for a run
"""
_MARKS = {True: "yes", False: "NO", None: "unknown"}


class _Words(NamedTuple):
    """The words of a call: flags without a value, values of options, the rest, a command behind --, and
    those before the verb, which name the site's settings.
    """

    flags: frozenset[str]
    values: dict[str, list[str]]
    rest: list[str]
    command: tuple[str, ...]
    site: list[str]


def main(arguments: list[str]) -> int:
    """The exit code: 0 for good, 1 for findings, a failure's own, 64 for a call that makes no sense."""
    before = 2 if arguments[:1] == ["--site"] else 0
    site, (verb, *rest) = arguments[:before], arguments[before:] or [""]
    if "--help" in (rest[: rest.index("--")] if "--" in rest else rest) or verb == "--help":
        print(_HELP, end="")
        return 0
    if verb not in _VERBS:
        print(_HELP, end="", file=sys.stderr)
        return 64
    walk, flags, options = _VERBS[verb]
    try:
        return walk(_parse(rest, flags, options)._replace(site=site))
    except JobwrapError as error:
        print(f"jobwrap: {error.sentence}", file=sys.stderr)
        return error.failure.code or 1


def _parse(arguments: list[str], flags: tuple[str, ...], options: tuple[str, ...]) -> _Words:
    given: set[str] = set()
    values: dict[str, list[str]] = {option: [] for option in options}
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        if word == "--":
            break
        if word in flags:
            given.add(word)
        elif name in options:
            values[name].append(value if equals else next(words, ""))
        elif word.startswith("-"):
            raise JobwrapError("job.usage", problem=f"jobwrap image does not know {word}")
        else:
            rest.append(word)
    return _Words(frozenset(given), values, rest, tuple(words), [])


def _list(words: _Words) -> int:
    from jobwrap.image.listing import list_images

    node, settings = _here(words)
    looker = Looker(Job((), image="default"), node, settings, os.getcwd())
    if "://" in settings.catalog:
        from jobwrap.image.published import with_catalog

        looker, said = with_catalog(looker, os.environ)
        print("".join(f"jobwrap: {each}\n" for each in said), end="", file=sys.stderr)
    listed = list_images(looker)
    if "--json" in words.flags:
        print(json.dumps([each._asdict() for each in listed], indent=1))
        return 0
    name = ""
    for each in listed:
        if each.name != name:
            name = each.name
            print(f"{name}{' (default)' if each.default else ''}: {each.about}")
        state = "taken here" if each.taken else "runs here" if not each.why else f"no: {each.why}"
        print(f"    {each.reference}  [{each.needs or 'any node'}]  {state}")
    return 0


def _show(words: _Words) -> int:
    if len(words.rest) != 1:
        raise JobwrapError("job.usage", problem="jobwrap image show takes one image")
    node, settings = _here(words)
    job = Job(words.command, image=words.rest[0], scratch=os.getcwd(), ignore_needs=True)
    image = choose(job, node, settings)
    verdicts = judge(image.needs.rows, node)
    fits = None if image.pull else all(verdict.fits is not False for verdict in verdicts)
    if "--json" in words.flags:
        rows = [{**each.need._asdict(), "has": each.has, "fits": each.fits} for each in verdicts]
        print(json.dumps({**image._asdict(), "needs": rows, "runs_here": fits}, indent=1))
    else:
        print("\n".join(_shown(image)))
        for verdict in verdicts:
            print(f"needs      {in_words(verdict.need)}: {_MARKS[verdict.fits]}, here {verdict.has}")
        print("".join(f"because    {each}\n" for each in image.reasons if "ignored" not in each), end="")
        print(f"runs here  {_MARKS[fits]}")
    return 72 if fits is False else 0


def _shown(image: Image) -> list[str]:
    lines = [
        ("image", image.asked),
        (image.kind, image.path if not image.pull else f"not on this node yet: {image.pull}"),
        ("tag", image.tag),
        ("content", image.content_id),
        ("root hash", image.root_hash),
        ("system", image.needs.os),
        ("glibc", image.needs.glibc),
        ("program", image.program),
    ]
    return [f"{name:<11}{value}" for name, value in lines if value]


def _lint(words: _Words) -> int:
    from jobwrap.image.lint import lint

    if not words.rest:
        raise JobwrapError("job.usage", problem="jobwrap image lint takes files")
    found = [(path, each) for path in words.rest for each in lint(_read(path, lint))]
    if "--json" in words.flags:
        print(json.dumps([{"file": path, **each._asdict()} for path, each in found], indent=1))
    else:
        for path, each in found:
            print(f"{path}:{each.line}: {each.weight}: {each.sentence} [{each.rule}]")
    return 1 if any(each.weight == "error" or "--strict" in words.flags for _, each in found) else 0


def _read(path: str, parse: Callable[[str], object]) -> str:
    """The text of a recipe that `parse` takes; job.file where there is none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(1 << 20)
        parse(text)
    except (OSError, ValueError) as error:
        problem = error.strerror if isinstance(error, OSError) else str(error)
        raise JobwrapError("job.file", path=path, problem=problem) from error
    return text


def _convert(words: _Words) -> int:
    from jobwrap.image.convert import convert

    if len(words.rest) != 1:
        raise JobwrapError("job.usage", problem="jobwrap image convert takes one Dockerfile")
    path = words.rest[0]
    arguments = dict(word.partition("=")[::2] for word in words.values["--arg"])
    folder = os.path.dirname(os.path.abspath(path))
    text = _read(path, lambda text: convert(text, folder, arguments))
    converted = convert(text, folder, arguments)
    for remark in converted.remarks:
        print(f"{path}: {remark}", file=sys.stderr)
    output = words.values["--output"]
    if output:
        with open(output[-1], "w", encoding="utf-8") as file:
            file.write(converted.text)
    else:
        print(converted.text, end="")
    return 0


def _here(words: _Words) -> tuple[Node, Settings]:
    settings, _ = named_settings(words.site)
    environ = {**os.environ, "CVMFS_MOUNT_DIR": settings.cvmfs} if settings.cvmfs else os.environ
    machine_ad = htcondor.read_ad("_CONDOR_MACHINE_AD", environ)
    scratch = environ.get("_CONDOR_SCRATCH_DIR") or os.getcwd()
    node = survey(environ, machine_ad, scratch, runtime=settings.runtime, deadline=settings.deadline)
    return node, settings


_VERBS: dict[str, tuple[Callable[[_Words], int], tuple[str, ...], tuple[str, ...]]] = {
    "list": (_list, ("--json",), ()),
    "show": (_show, ("--json",), ()),
    "lint": (_lint, ("--json", "--strict"), ()),
    "convert": (_convert, (), ("--arg", "--output")),
}

"""jobwrap cache: what the node's cache holds, whether it is still right, and less of it."""

from __future__ import annotations

import json
import sys
import time

from jobwrap.failures import JobwrapError
from jobwrap.job import words
from jobwrap.settings import Settings, read_settings
from jobwrap.transfer import cachecare
from jobwrap.transfer.cache import Cache, open_caches
from jobwrap.transfer.cachecare import Entry

_HELP = """usage: jobwrap cache list  [--json] [--site FILE | --cache FOLDER]
       jobwrap cache check [--json] [--site FILE | --cache FOLDER]
       jobwrap cache prune [--to SIZE] [--site FILE | --cache FOLDER]

  list   what it holds, the least recently used first, and what of that is in use
  check  reads every file and throws away those that are no longer what they were; 1 if there were any
  prune  removes what dead slots left, and the least recently used until SIZE (or the quota) is kept;
         what is in use stays
"""


def main(arguments: list[str]) -> int:
    """The exit code: 0, 1 for files that were not right, 64 for a senseless call, a failure's own."""
    if "--help" in arguments:
        print(_HELP, end="")
        return 0
    try:
        verb, options = _parse(arguments)
        settings = read_settings(options.get("--site", ""))
        caches = _caches(options, settings)
        return _VERBS[verb](caches, options)
    except JobwrapError as error:
        print(f"jobwrap: {error.sentence}", file=sys.stderr)
        return error.failure.code or 1


def _parse(arguments: list[str]) -> tuple[str, dict[str, str]]:
    verb, *rest = arguments or [""]
    if verb not in _VERBS:
        raise JobwrapError("job.usage", problem=f"jobwrap cache does {', '.join(_VERBS)}")
    options: dict[str, str] = {}
    left = iter(rest)
    for word in left:
        if word == "--json":
            options[word] = "yes"
        elif word in ("--site", "--cache", "--to"):
            options[word] = next(left, "")
        else:
            raise JobwrapError("job.usage", problem=f"jobwrap cache does not know {word}")
    return verb, options


def _caches(options: dict[str, str], settings: Settings) -> list[Cache]:
    folder = options.get("--cache") or settings.cache
    if not folder:
        raise JobwrapError("job.usage", problem="this site has no cache; name one with --cache")
    caches = open_caches(folder, settings.cache_quota, settings.cache_owners)
    if not caches:
        raise JobwrapError("job.usage", problem=f"{folder} is not there, or others can write to it")
    return caches


def _list(caches: list[Cache], options: dict[str, str]) -> int:
    entries = [(cache, entry) for cache in caches for entry in cachecare.entries(cache)]
    if "--json" in options:
        print(json.dumps([{**entry._asdict(), "in_use": _in_use(cache, entry)} for cache, entry in entries]))
        return 0
    for cache, entry in entries:
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
        print(f"{entry.digest}  {entry.size:>14}  {used}{'  in use' if _in_use(cache, entry) else ''}")
    total = sum(entry.size for _, entry in entries)
    print(f"{len(entries)} files, {total} bytes of {cachecare.quota(caches[-1])}")
    return 0


def _in_use(cache: Cache, entry: Entry) -> bool:
    return cachecare.in_use(cache, entry.digest)


def _check(caches: list[Cache], options: dict[str, str]) -> int:
    bad = []
    for cache in caches:
        for entry in cachecare.entries(cache):
            if not cachecare.is_right(cache, entry.digest):
                cache.remove(entry.digest)
                bad.append(entry.path)
    print(
        json.dumps(bad) if "--json" in options else "\n".join(f"{path}: thrown away" for path in bad), end=""
    )
    print(end="\n" if bad or "--json" in options else "")
    return 1 if bad else 0


def _prune(caches: list[Cache], options: dict[str, str]) -> int:
    try:
        keep = words.size(options["--to"]) if "--to" in options else None
    except ValueError as error:
        raise JobwrapError("job.usage", problem=f"--to: {error}") from error
    for cache in caches:
        if cache.ours:
            before = cachecare.entries(cache)
            swept = cachecare.sweep(cache)
            cachecare.shrink(cache, cachecare.quota(cache) if keep is None else keep)
            gone = len(before) - len(cachecare.entries(cache))
            print(f"{cache.folder}: {gone} files removed, and {swept} that were never finished")
    return 0


_VERBS = {"list": _list, "check": _check, "prune": _prune}

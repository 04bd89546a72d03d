"""Where each input will come from: a path on the node is bound, all else is fetched.

Paths come first, CVMFS among them, then the node's cache, then URLs in the order given. What is on the
node is never copied, whatever its size; a checksum that was asked for is checked there too.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Input, Job
from jobwrap.node.probe import Hung, ask, ask_all
from jobwrap.settings import Settings

if TYPE_CHECKING:
    from jobwrap.transfer.fetch import Fetched

Skipped = tuple[tuple[str, str], ...]  # (place, why)


class Bound(NamedTuple):
    """An input on the node at the path `source`; in_place if that is where the task looks for it."""

    name: str
    source: str
    in_place: bool


class Staging(NamedTuple):
    """What stage-in will do.

    bound    inputs that are on the node
    wanted   inputs to fetch, with only the places that are left
    reasons  a sentence each
    skipped  by name, the places of a wanted input that are left out, if there are any
    cached   inputs that lie in the node's cache: bound from there
    sharing  wanted inputs that come by the cache will be bound from there, too: before the launch
    no_cache why the node's cache is not used, though the site has one
    """

    bound: tuple[Bound, ...]
    wanted: tuple[Input, ...]
    reasons: tuple[str, ...]
    skipped: Mapping[str, Skipped] = {}  # never changed
    cached: tuple[Fetched, ...] = ()
    sharing: bool = False
    no_cache: str = ""


def plan_staging(job: Job, cvmfs: str, settings: Settings, environ: Mapping[str, str]) -> Staging:
    """Decides for each input; JobwrapError input.not_found or input.checksum where no place is left."""
    staging = _by_path(job, cvmfs, settings.deadline)
    if settings.cache and staging.wanted:
        from jobwrap.stage.cached import by_cache

        staging = by_cache(staging, job, settings, environ)
    fetched = (
        f"input {each.name}: fetched from the first of {len(each.places)} places that has it"
        for each in staging.wanted
    )
    return staging._replace(reasons=(*staging.reasons, *fetched))


def _by_path(job: Job, cvmfs: str, deadline: float) -> Staging:
    local = {each.name: paths for each in job.inputs if (paths := _local(each, job, cvmfs))}
    asked = [(each.name, path, each.checksum) for each in job.inputs for path in local.get(each.name, ())]
    seen = _ask(asked, deadline) if asked else {}
    bound, wanted, reasons = [], [], []
    skipped: dict[str, Skipped] = {}
    for each in job.inputs:
        if each.name not in local:
            wanted.append(each)
            continue
        places = {path: seen[each.name, path] for path in local[each.name]}
        found = next((path for path, problem in places.items() if not problem), None)
        left_out = tuple((path, problem) for path, problem in places.items() if problem)
        if left_out:
            skipped[each.name] = left_out
        reasons += [f"input {each.name}: {path} {problem}" for path, problem in left_out]
        remote = tuple(place for place in each.places if not _is_local(place))
        if found is not None and not each.unpack:
            in_place = found == os.path.join(job.scratch, each.name)
            bound.append(Bound(each.name, found, in_place))
            reasons.append(f"input {each.name}: {found} {'is in place' if in_place else 'is bound'}")
        elif found is not None or remote:
            wanted.append(each._replace(places=((found,) if found is not None else ()) + remote))
        else:
            raise _none_left(each, left_out, deadline)
    return Staging(tuple(bound), tuple(wanted), tuple(reasons), skipped)


def copied_paths(staging: Staging) -> tuple[str, ...]:
    """Paths of the node that are read though they are not bound: archives to unpack."""
    return tuple(place for each in staging.wanted for place in each.places if place.startswith("/"))


def with_paths(job: Job, paths: Mapping[str, str]) -> Job:
    """The job whose inputs of these names are on the node by now."""
    inputs = (
        each._replace(places=(paths[each.name], *each.places)) if each.name in paths else each
        for each in job.inputs
    )
    return job._replace(inputs=tuple(inputs))


def _none_left(each: Input, skipped: Skipped, deadline: float) -> JobwrapError:
    hung = next((path for path, problem in skipped if problem == _HUNG), None)
    if hung:
        return JobwrapError("site.cvmfs_hung", path=hung, seconds=deadline)
    name = "input.checksum" if all("checksum" in problem for _, problem in skipped) else "input.not_found"
    told = ", ".join(f"{path} {problem}" for path, problem in skipped)
    return JobwrapError(name, name=each.name, places=told)


def _is_local(place: str) -> bool:
    return place.startswith("file:") or ":" not in place.partition("/")[0]


def _local(each: Input, job: Job, cvmfs: str) -> list[str]:
    """The paths among the places, absolute; those of CVMFS where this node has it mounted."""
    paths = []
    for place in filter(_is_local, each.places):
        path = _path_of(place) if place.startswith("file:") else place
        # A relative path is one of the submit side's files, and these lie in scratch.
        path = os.path.normpath(os.path.join(job.scratch, path))
        if path.startswith("/cvmfs/"):
            path = cvmfs + path[len("/cvmfs") :]
        paths.append(path)
    return paths


def _path_of(url: str) -> str:
    from jobwrap.transfer.url import path_of

    try:
        return path_of(url)
    except ValueError:
        return url  # of another host: a path that is not there


Asked = Sequence[tuple[str, str, "tuple[str, str] | None"]]
_HUNG = "did not answer"


def _ask(asked: Asked, deadline: float) -> dict[tuple[str, str], str]:
    """What is wrong with each path, asked in a child: any may lie on a mount that hangs.

    The deadline is for the look; to read for a checksum there is as much again for each GiB.
    """
    what = ", ".join(path for _, path, _ in asked)
    try:
        gigabytes = (
            ask(_gigabytes, asked, deadline=deadline, what=what) if any(each[2] for each in asked) else 0
        )
        found: dict[tuple[str, str], str] = ask(_look, asked, deadline=deadline * (1 + gigabytes), what=what)
        return found
    except Hung as hung:
        return _ask_without_hung(asked, deadline, hung)


def _ask_without_hung(asked: Asked, deadline: float, hung: Hung) -> dict[tuple[str, str], str]:
    """Which of them it is that hangs; the others, and other places of its input, may still serve."""
    paths = sorted({path for _, path, _ in asked})
    answers = ask_all(os.path.exists, [(path, (path,)) for path in paths], deadline=deadline)
    dead = {path for path, answer in zip(paths, answers) if isinstance(answer, Hung)}
    if not dead:
        raise JobwrapError("site.cvmfs_hung", path=hung.what, seconds=hung.seconds) from hung
    left = [each for each in asked if each[1] not in dead]
    found = {(name, path): _HUNG for name, path, _ in asked if path in dead}
    return {**found, **(_ask(left, deadline) if left else {})}


def _gigabytes(asked: Asked) -> float:
    return (
        sum(os.stat(path).st_size for _, path, checksum in asked if checksum and os.path.exists(path)) / 2**30
    )


def _look(asked: Asked) -> dict[tuple[str, str], str]:
    return {(name, path): _problem(path, checksum) for name, path, checksum in asked}


def _problem(path: str, checksum: tuple[str, str] | None) -> str:
    """Why this path does not serve; "" if it does."""
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode) and (checksum or not stat.S_ISDIR(mode)):
            return "is no file" if checksum else "is neither a file nor a folder"
        if not os.access(path, os.R_OK):
            return "may not be read"
        if checksum and not _matches(path, *checksum):
            return "does not have the checksum"
        return ""
    except FileNotFoundError:
        return "is not there"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _matches(path: str, algorithm: str, digest: str) -> bool:
    from jobwrap.transfer.checksum import make, same

    found = make(algorithm)
    with open(path, "rb", buffering=0) as file:
        while block := file.read(1 << 20):
            found.update(memoryview(block))
    return same(algorithm, found.hexdigest(), digest)

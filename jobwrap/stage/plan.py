"""Where each input will come from: a path on the node is bound, all else is fetched.

Paths come first, CVMFS among them, then URLs in the order given. What is on the node is never copied,
whatever its size; a checksum that was asked for is checked there too.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Input, Job
from jobwrap.node.probe import Hung, ask


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
    """

    bound: tuple[Bound, ...]
    wanted: tuple[Input, ...]
    reasons: tuple[str, ...]


def plan_staging(job: Job, cvmfs: str, deadline: float) -> Staging:
    """Decides for each input; JobwrapError input.not_found or input.checksum where no place is left."""
    local = {each.name: _local(each, job, cvmfs) for each in job.inputs}
    asked = [(name, path, _checksum(job, name)) for name, paths in local.items() for path in paths]
    seen = _ask(asked, deadline) if asked else {}
    bound, wanted, reasons = [], [], []
    for each in job.inputs:
        places = {path: seen[each.name, path] for path in local[each.name]}
        found = next((path for path, problem in places.items() if not problem), None)
        reasons += [f"input {each.name}: {path} {problem}" for path, problem in places.items() if problem]
        remote = tuple(place for place in each.places if not _is_local(place))
        if found is not None and not each.unpack:
            in_place = found == os.path.join(job.scratch, each.name)
            bound.append(Bound(each.name, found, in_place))
            reasons.append(f"input {each.name}: {found} {'is in place' if in_place else 'is bound'}")
        elif found is not None or remote:
            wanted.append(each._replace(places=((found,) if found is not None else ()) + remote))
            reasons.append(
                f"input {each.name}: fetched from the first of {len(wanted[-1].places)} places that has it"
            )
        else:
            raise _none_left(each, places)
    return Staging(tuple(bound), tuple(wanted), tuple(reasons))


def _none_left(each: Input, places: dict[str, str]) -> JobwrapError:
    name = (
        "input.checksum" if all("checksum" in problem for problem in places.values()) else "input.not_found"
    )
    told = ", ".join(f"{path} {problem}" for path, problem in places.items())
    return JobwrapError(name, name=each.name, places=told)


def _is_local(place: str) -> bool:
    return place.startswith("file:") or ":" not in place.partition("/")[0]


def _local(each: Input, job: Job, cvmfs: str) -> list[str]:
    """The paths among the places, absolute; those of CVMFS where this node has it mounted."""
    paths = []
    for place in filter(_is_local, each.places):
        path = place[len("file:") :] if place.startswith("file:") else place
        if path.startswith("//"):  # file://host/path, as file:///path
            path = "/" + path[2:].partition("/")[2]
        # A relative path is one of the submit side's files, and these lie in scratch.
        path = os.path.normpath(os.path.join(job.scratch, path))
        if path.startswith("/cvmfs/"):
            path = cvmfs + path[len("/cvmfs") :]
        paths.append(path)
    return paths


def _checksum(job: Job, name: str) -> tuple[str, str] | None:
    return next(each.checksum for each in job.inputs if each.name == name)


Asked = list[tuple[str, str, "tuple[str, str] | None"]]


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
    except Hung as hung:
        raise JobwrapError("site.cvmfs_hung", path=hung.what, seconds=hung.seconds) from hung
    return found


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

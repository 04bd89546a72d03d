"""The image tree on CVMFS: from a tag to the content path behind it, on this node.

Everything here touches file systems that may hang: it runs inside a probe (node/probe.py).

Layouts: singularity.opensciencegrid.org has `ns/name:tag` -> `.images/<2 hex>/<62 hex>`, with the
registry's host dropped (cvmfs-singularity-sync); unpacked.cern.ch has `host/ns/name:tag` ->
`.flat/<2 hex>/<64 hex>` (DUCC).
"""

from __future__ import annotations

import errno
import os
import re

from jobwrap.failures import JobwrapError
from jobwrap.image.reference import Reference
from jobwrap.image.view import View

_ABSENT = (errno.ENOENT, errno.ENOTDIR)
_DENIED = (errno.EACCES, errno.EPERM)
_CONTENT = re.compile(r"/\.(?:images/([0-9a-f]{2})/([0-9a-f]{62})|flat/[0-9a-f]{2}/([0-9a-f]{64}))(?=/|$)")
_DOCKER_HUB = "registry.hub.docker.com"  # as unpacked.cern.ch spells it


def find_by_name(reference: Reference, trees: tuple[str, ...], view: View) -> str:
    """The seen path of the tag that has this name; JobwrapError where no tree has it."""
    missing: list[JobwrapError] = []
    for tree in trees:
        for name in (reference.tagged, f"{reference.host or _DOCKER_HUB}/{reference.tagged}"):
            if _exists(f"{tree}/{name}", view):
                return f"{tree}/{name}"
        try:
            check_repository(tree, view)
        except JobwrapError as error:
            missing.append(error)
    if missing:  # it may well be there: another node can tell
        raise missing[0]
    near = _nearest(reference, trees, view)
    raise JobwrapError("image.not_found", image=reference.text, near=near)


def pin(seen: str, asked: str, view: View) -> str:
    """The seen path of the content behind a tag or a path; JobwrapError where that leads nowhere."""
    try:
        return view.real(seen)
    except OSError as error:
        if error.errno not in (*_ABSENT, errno.ELOOP):
            raise broken(error, seen, asked) from error
    check_repository(seen, view)
    try:
        target = os.readlink(view.on_node(seen))
    except OSError:
        raise JobwrapError("image.not_found", image=asked, near="") from None
    raise JobwrapError("image.broken", image=asked, problem=f"its tag leads to {target}, which is not there")


def content_id(path: str) -> str:
    """The 64 hex digits that name the content of a path in a tree, "" for a path of another kind."""
    found = _CONTENT.search(path)
    return found.expand(r"\1\2") or found[3] if found else ""


def repository(seen: str) -> str:
    """The mount that a seen path lies on: "/cvmfs/<repository>", or "" outside CVMFS."""
    found = re.match(r"/cvmfs/[^/]+", seen)
    return found[0] if found else ""


def check_repository(seen: str, view: View) -> None:
    """JobwrapError where the repository of a seen path is not mounted or does not work."""
    mount = repository(seen)
    if not mount:
        return
    path = view.on_node(mount)
    try:
        # An autofs mount point, or a folder that cvmfsexec made and never filled, is empty.
        empty = not os.listdir(path)
    except OSError as error:
        if error.errno not in _ABSENT:
            raise broken(error, seen, path) from error
        empty = True
    if empty:
        raise JobwrapError("site.cvmfs_missing", path=path)


def broken(error: OSError, seen: str, asked: str) -> JobwrapError:
    """Whose fault an error of the file system under an image is."""
    problem = error.strerror or str(error)
    mount = repository(seen)
    if error.errno in (*_DENIED, *_ABSENT, errno.ELOOP, errno.ENAMETOOLONG):
        return JobwrapError("image.broken", image=asked, problem=problem)
    if mount:
        return JobwrapError("site.cvmfs_broken", path=mount, problem=problem)
    return JobwrapError("site.storage", path=seen, problem=problem)


def _exists(seen: str, view: View) -> bool:
    try:
        os.lstat(view.on_node(seen))
    except OSError as error:
        if error.errno in _ABSENT:
            return False
        raise broken(error, seen, seen) from error
    return True


def _nearest(reference: Reference, trees: tuple[str, ...], view: View) -> str:
    """" (the nearest: ...)" with the names of the trees that look most like the one asked for."""
    import difflib  # only where someone made a mistake  # noqa: PLC0415

    space, _, name = reference.tagged.rpartition("/")
    there: list[str] = []
    for tree in trees:
        spaces = _list(view.on_node(tree))
        near_spaces = [space] if space in spaces else difflib.get_close_matches(space, spaces, n=2)
        there += [f"{near}/{each}" for near in near_spaces for each in _list(view.on_node(f"{tree}/{near}"))]
    wanted = f"{space}/{name}"
    near = difflib.get_close_matches(wanted, there, n=3, cutoff=0.5)
    same_name = [each for each in there if each.partition(":")[0] == wanted.partition(":")[0]]
    near = list(dict.fromkeys([*near, *same_name]))[:3]
    return f" (the nearest: {', '.join(near)})" if near else ""


def _list(path: str) -> list[str]:
    try:
        return [name for name in sorted(os.listdir(path)) if not name.startswith(".")]
    except OSError:
        return []

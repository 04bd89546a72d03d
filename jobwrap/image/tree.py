"""The image tree on CVMFS: from a tag to the content path behind it, on this node.

Everything here touches file systems that may hang: it runs inside a probe (node/probe.py).

Layouts: singularity.opensciencegrid.org has `ns/name:tag` -> `.images/<2 hex>/<62 hex>`, with the
registry's host dropped (cvmfs-singularity-sync); unpacked.cern.ch has `host/ns/name:tag` ->
`.flat/<2 hex>/<64 hex>` (DUCC).
"""

from __future__ import annotations

import errno
import os

from jobwrap.failures import JobwrapError
from jobwrap.image.files import ABSENT, ITS_OWN
from jobwrap.image.footprint import footprint
from jobwrap.image.reference import Reference
from jobwrap.image.view import View
from jobwrap.letters import is_hex

_FIRST, _REST, _ALL = 2, 62, 64  # hex digits
_DOCKER_HUB = "registry.hub.docker.com"  # as unpacked.cern.ch spells it


def find_by_name(reference: Reference, trees: tuple[str, ...], view: View, folder: str) -> str:
    """The seen path of the tag or digest that has this name; JobwrapError where no tree has it."""
    missing: list[JobwrapError] = []
    for tree in trees:
        for name in _names(reference):
            if _exists(f"{tree}/{name}", view):
                return f"{tree}/{name}"
        try:
            check_repository(tree, view)
        except JobwrapError as error:
            missing.append(error)
    if missing:  # it may well be there: another node can tell
        raise missing[0]
    if reference.digest:
        problem = "no image tree here knows it by this digest; name its content path in the tree"
        raise JobwrapError("image.unsupported", image=reference.text, problem=problem)
    near = _nearest(reference, trees, view)
    if os.path.exists(os.path.join(folder, reference.text)):
        near = f"; the folder or file of that name is ./{reference.text}"
    raise JobwrapError("image.not_found", image=reference.text, near=near)


def _names(reference: Reference) -> tuple[str, ...]:
    if reference.digest:
        return (f".flat/{reference.digest[:2]}/{reference.digest}",)
    return reference.tagged, f"{reference.host or _DOCKER_HUB}/{reference.tagged}"


def pin(seen: str, reference: Reference, trees: tuple[str, ...], view: View) -> str:
    """The seen path of the content behind a tag or a path; JobwrapError where that leads nowhere."""
    try:
        return view.real(seen)
    except OSError as error:
        if error.errno not in (*ABSENT, errno.ELOOP):
            raise
    check_repository(seen, view)
    try:
        target = os.readlink(view.on_node(seen))
    except OSError:
        near = _nearest(_in_tree(seen, reference, trees), trees, view)
        raise JobwrapError("image.not_found", image=reference.text, near=near) from None
    problem = f"its tag leads to {target}, which is not there"
    raise JobwrapError("image.broken", image=reference.text, problem=problem)


def _in_tree(seen: str, reference: Reference, trees: tuple[str, ...]) -> Reference:
    """A path in a tree as the name that it stands for."""
    for tree in trees:
        if seen.startswith(f"{tree}/"):
            name, _, tag = seen[len(tree) + 1 :].partition(":")
            return reference._replace(name=name, tag=tag or "latest")
    return reference


def content_id(path: str) -> str:
    """The 64 hex digits that name the content of a path in a tree, "" for a path of another kind."""
    parts = path.split("/")
    for store, first, rest in zip(parts, parts[1:], parts[2:]):
        if store == ".images" and is_hex(first, _FIRST) and is_hex(rest, _REST):
            return first + rest
        if store == ".flat" and is_hex(first, _FIRST) and is_hex(rest, _ALL):
            return rest
    return ""


def repository(seen: str) -> str:
    """The mount that a seen path lies on: "/cvmfs/<repository>", or "" outside CVMFS."""
    name = seen.removeprefix("/cvmfs/").partition("/")[0] if seen.startswith("/cvmfs/") else ""
    return f"/cvmfs/{name}" if name else ""


def check_repository(seen: str, view: View) -> None:
    """JobwrapError where the repository of a seen path is not mounted; OSError where it does not work."""
    mount = repository(seen)
    if not mount:
        return
    path = view.on_node(mount)
    footprint.step(path)
    try:
        # An autofs mount point, or a folder that cvmfsexec made and never filled, is empty.
        empty = not os.listdir(path)
    except OSError as error:
        if error.errno not in ABSENT:
            raise
        empty = True
    if empty:
        raise JobwrapError("site.cvmfs_missing", path=path)


def broken(error: OSError, view: View, asked: str) -> JobwrapError:
    """Whose fault an error of the file system under an image is."""
    problem = error.strerror or str(error)
    path = view.seen(os.fsdecode(error.filename)) if error.filename else asked
    if error.errno in ITS_OWN:
        return JobwrapError("image.broken", image=asked or path, problem=f"{path}: {problem}")
    if repository(path):
        return JobwrapError("site.cvmfs_broken", path=view.on_node(repository(path)), problem=problem)
    return JobwrapError("site.storage", path=path, problem=problem)


def _exists(seen: str, view: View) -> bool:
    try:
        footprint.step(view.on_node(seen))
        os.lstat(view.on_node(seen))
    except OSError as error:
        if error.errno in ABSENT:
            return False
        raise
    return True


def _nearest(reference: Reference, trees: tuple[str, ...], view: View) -> str:
    """ " (the nearest: ...)" with the names of the trees that look most like the one asked for."""
    import difflib  # only where someone made a mistake

    space, _, name = reference.tagged.rpartition("/")
    there: list[str] = []
    for tree in trees:
        spaces = _list(view.on_node(tree))
        near_spaces = [space] if space in spaces else difflib.get_close_matches(space, spaces, n=2)
        there += [f"{near}/{each}" for near in near_spaces for each in _list(view.on_node(f"{tree}/{near}"))]
    wanted = f"{space}/{name}"
    near = difflib.get_close_matches(wanted, there, n=3, cutoff=0.7)
    same_name = [each for each in there if each.partition(":")[0] == wanted.partition(":")[0]]
    near = list(dict.fromkeys([*near, *same_name]))[:3]
    return f" (the nearest: {', '.join(near)})" if near else ""


def _list(path: str) -> list[str]:
    try:
        return [name for name in sorted(os.listdir(path)) if not name.startswith(".")]
    except OSError:
        return []

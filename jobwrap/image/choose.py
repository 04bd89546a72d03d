"""The choice: from what the job asks for to one pinned Image that this node can run, and why.

Everything that is read of an image is read inside one probe, under one deadline.
"""

from __future__ import annotations

import os
import stat
from typing import Any, NamedTuple, Protocol

from jobwrap.failures import JobwrapError
from jobwrap.image import tree
from jobwrap.image.reference import NAME, REMOTE, Reference, parse_reference
from jobwrap.image.view import View, cvmfs_at
from jobwrap.job.spec import Job
from jobwrap.node.probe import Hung, ask
from jobwrap.settings import Settings

SANDBOX, SIF = "sandbox", "sif"
_SIF_MAGIC = (32, b"SIF_MAGIC")  # after the launch line of a SIF's header


class Node(Protocol):
    """What the choice needs to know of the node."""

    @property
    def cvmfs(self) -> str: ...


class Image(NamedTuple):
    """The image that the task runs in.

    asked       as the job or the site's default named it
    path        what is launched: the content path of a tree, a folder or a .sif file
    kind        "sandbox" or "sif"
    tag         the path with a tag that led to it, "" where none did
    content_id  64 hex digits that name its content in the tree, "" elsewhere
    reasons     why this one, a sentence each
    """

    asked: str
    path: str
    kind: str
    tag: str = ""
    content_id: str = ""
    reasons: tuple[str, ...] = ()


def choose(job: Job, node: Node, settings: Settings) -> Image:
    """The image for this job on this node.

    JobwrapError image.*, site.cvmfs_*, site.storage or policy.forbidden where none can be had.
    """
    asked = job.image if job.image not in ("", "default") else settings.default_image
    if not asked:
        raise JobwrapError("image.none")
    reference = parse_reference(asked, os.getcwd())
    if reference.kind == REMOTE:
        raise JobwrapError("image.unsupported", image=asked, problem="it would have to be fetched first")
    view = cvmfs_at(node.cvmfs)
    what = f"the image {asked}"
    try:
        found = ask(_look, reference, settings.image_trees, view, deadline=settings.deadline, what=what)
    except Hung as error:
        raise _hung(reference, settings, view, error) from error
    image = Image(asked, *found)
    if settings.images == "tree" and not _in_a_tree(image, settings, view):
        rule = "policy.images = tree"
        raise JobwrapError("policy.forbidden", what=f"images outside its trees, such as {asked}", rule=rule)
    return image


def _look(reference: Reference, trees: tuple[str, ...], view: View) -> tuple[Any, ...]:
    """In the probe: the fields of an Image after `asked`."""
    reasons = []
    seen = view.seen(reference.path)
    if reference.kind == NAME:
        seen = tree.find_by_name(reference, trees, view)
        reasons.append(f"{reference.text} is {seen} in the image tree")
    content = tree.pin(seen, reference.text, view)
    path = view.on_node(content)
    if content != seen:
        reasons.append(f"{seen} is pinned to {path}")
    tag = seen if tree.content_id(content) and not tree.content_id(seen) else ""
    try:
        kind = _kind(path, reference.text)
    except OSError as error:
        raise tree.broken(error, content, reference.text) from error
    return path, kind, tag, tree.content_id(content), tuple(reasons)


def _kind(path: str, asked: str) -> str:
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        if not os.listdir(path):
            raise JobwrapError("image.broken", image=asked, problem="it is an empty folder")
        return SANDBOX
    if stat.S_ISREG(mode):
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if os.pread(file, len(_SIF_MAGIC[1]), _SIF_MAGIC[0]) == _SIF_MAGIC[1]:
                return SIF
        finally:
            os.close(file)
    raise JobwrapError("image.broken", image=asked, problem="it is neither a sandbox folder nor a SIF file")


def _hung(reference: Reference, settings: Settings, view: View, error: Hung) -> JobwrapError:
    by_name = reference.kind == NAME and settings.image_trees
    seen = settings.image_trees[0] if by_name else view.seen(reference.path)
    mount = tree.repository(seen)
    if mount:
        return JobwrapError("site.cvmfs_hung", path=view.on_node(mount), seconds=error.seconds)
    return JobwrapError("site.storage", path=seen, problem=f"no answer within {error.seconds:g} s")


def _in_a_tree(image: Image, settings: Settings, view: View) -> bool:
    return any(image.path.startswith(view.on_node(each).rstrip("/") + "/") for each in settings.image_trees)

"""One candidate: whether it is there, what it needs and whether the node has that.

Everything here may touch a file system that hangs, as in look.py.
"""

from __future__ import annotations

import os
import stat
from typing import Any

from jobwrap.failures import JobwrapError
from jobwrap.image import reading, tree
from jobwrap.image.catalog import Variant
from jobwrap.image.files import Files
from jobwrap.image.fit import failing, judge, refusal, words
from jobwrap.image.footprint import footprint
from jobwrap.image.hold import open_to_hold
from jobwrap.image.looker import SANDBOX, SIF, Looker
from jobwrap.image.needs import Needs, merged
from jobwrap.image.program import PATH, Program, find_program
from jobwrap.image.reference import NAME, REMOTE, Reference, parse_reference
from jobwrap.image.scripts import read_variables
from jobwrap.image.view import cvmfs_at, view_of
from jobwrap.job.spec import Job
from jobwrap.node.early import EarlyWord

# Failures after which docker:// may still be pulled from its registry.
_NOT_IN_A_TREE = ("image.not_found", "image.unsupported", "site.cvmfs_")


def find(
    looker: Looker, asked: str, variant: Variant, reasons: list[str], early: EarlyWord | None = None
) -> dict[str, Any]:
    """The fields of an Image for one candidate, or asked, pull and reasons of one to be brought first.

    early: for the only candidate.
    """
    reference = parse_reference(variant.reference, looker.folder)
    pinned = _pinned(looker, asked, reference, reasons)
    if "pull" in pinned:
        return pinned
    # With a GPU the needs tell how much of its driver the container gets.
    if early and not looker.node.gpus.granted:
        tell(early, pinned)
    path, kind = pinned["path"], pinned["kind"]
    needs = _needs(path, kind, reference.text)
    program = _program(looker, path, kind)
    if program and program.elf:
        rows = (*needs.rows, *reading.needs_of_program(program.path, program.elf))
        needs = needs._replace(rows=merged(rows))
    driver, said = _driver(looker, variant.reference, needs)
    return {
        **pinned,
        "reasons": (*pinned["reasons"], *check(looker, variant.reference, needs), *said),
        "needs": (tuple(map(tuple, needs.rows)), needs.os, needs.glibc),
        "program": program.path if program else "",
        "driver": driver,
    }


def tell(early: EarlyWord, fields: dict[str, Any]) -> None:
    """Of the image that it will be, once, with a descriptor that holds it."""
    if not early.told:
        early.tell(fields, open_to_hold(fields["path"]))


def _pinned(looker: Looker, asked: str, reference: Reference, reasons: list[str]) -> dict[str, Any]:
    """The fields that are known before anything in the image was read."""
    if reference.kind == REMOTE:
        return _elsewhere(asked, reference, reasons)
    try:
        seen = _seen(looker, reference)
        content = tree.pin(seen, reference, looker.settings.image_trees, looker.view)
    except JobwrapError as error:
        if not has_registry(reference.text, error):
            raise
        return _elsewhere(asked, reference, [*reasons, why_pulled(reference.text, error)])
    path = looker.view.on_node(content)
    identity = tree.content_id(content)
    tag = seen if identity and not tree.content_id(seen) else ""
    if tag:
        reasons = [*reasons, f"{tag} is pinned to {path}", *_unpinned(looker.job, reference, path)]
    _must_be_allowed(looker, asked, content)
    return {
        "asked": asked,
        "path": path,
        "kind": _kind(path, reference.text),
        "tag": tag,
        "content_id": identity,
        "reasons": tuple(reasons),
    }


def look_at_program(looker: Looker, path: str, kind: str) -> dict[str, Any]:
    """The fields program and needs, as plain data, for the image that was chosen before."""
    try:
        program = _program(looker, path, kind)
    except OSError as error:
        raise tree.broken(error, looker.view, looker.job.image) from error
    rows = reading.needs_of_program(program.path, program.elf) if program and program.elf else []
    return {"program": program.path if program else "", "needs": tuple(map(tuple, rows))}


def _elsewhere(asked: str, reference: Reference, reasons: list[str]) -> dict[str, Any]:
    """The fields of an Image that has to be brought to this node first."""
    return {"asked": asked, "pull": reference.text, "reasons": tuple(reasons)}


def has_registry(text: str, error: JobwrapError) -> bool:
    """Whether an image that no tree gave may still be pulled."""
    return text.startswith("docker://") and error.failure.name.startswith(_NOT_IN_A_TREE)


def why_pulled(text: str, error: JobwrapError) -> str:
    """Why it is not taken out of a tree."""
    why = error.sentence if error.failure.name.startswith("site.") else "no image tree here has it"
    return f"{text} comes from its registry: {why}"


def _seen(looker: Looker, reference: Reference) -> str:
    if reference.kind == NAME:
        return tree.find_by_name(reference, looker.settings.image_trees, looker.view, looker.folder)
    return looker.view.seen(reference.path)


def _unpinned(job: Job, reference: Reference, path: str) -> list[str]:
    """What to say of a name that can mean something else tomorrow; JobwrapError where that is not wanted."""
    if job.require_pinned:
        raise JobwrapError("image.unpinned", image=reference.text, path=path)
    if reference.tag == "latest":
        return [f"{reference.text} changes whenever its makers wish; name {path} to run the same again"]
    return [f"the tag {reference.text} can be moved; name {path} to run the same again"]


def _must_be_allowed(looker: Looker, asked: str, content: str) -> None:
    trees = looker.settings.image_trees
    if looker.settings.images == "tree" and not any(content.startswith(f"{each}/") for each in trees):
        what = f"images outside its trees, such as {asked}"
        raise JobwrapError("policy.forbidden", what=what, rule='policy.images = "tree"')


def _kind(path: str, asked: str) -> str:
    """The kind of image; JobwrapError image.broken for none."""
    footprint.step(path)
    if not stat.S_ISDIR(os.stat(path).st_mode):
        return SIF
    if not os.listdir(path):
        raise JobwrapError("image.broken", image=asked, problem="it is an empty folder")
    return SANDBOX


def _needs(path: str, kind: str, asked: str) -> Needs:
    """What it says it needs."""
    if kind == SANDBOX:
        return reading.read_sandbox(Files(view_of(("/", path))))
    from jobwrap.image.sif import needs_of_file

    return needs_of_file(Files(cvmfs_at("/cvmfs")), path, asked)


def _program(looker: Looker, path: str, kind: str) -> Program | None:
    """The task's program as the task will see it; in a SIF only what lies outside of it can be seen."""
    job = looker.job
    binds = [(bind.target, bind.source) for bind in (*looker.settings.binds, *job.binds)]
    for input_ in job.inputs:  # what is on the node already is bound, or will be copied from there
        if input_.places[0].startswith("/"):
            binds.append((f"{job.target}/{input_.name}", looker.view.on_node(input_.places[0])))
    # Nothing lies below a SIF file's path: a look there finds nothing.
    view = view_of(("/", path), (job.target, job.scratch or path), ("/cvmfs", looker.node.cvmfs), *binds)
    files = Files(view)
    search = dict(job.env).get("PATH") or (read_variables(files).get("PATH") if kind == SANDBOX else "")
    return find_program(job.command[0], f"{search}:{PATH}", job.target, files) if job.command else None


def _driver(looker: Looker, image: str, needs: Needs) -> tuple[object, list[str]]:
    """The Image's field driver, as plain data, and what to say of libraries that do not work with its glibc.

    JobwrapError where no task could use the GPU and the site wants such a job refused.
    """
    gpus = looker.node.gpus
    if not gpus.granted or gpus.vendor != "nvidia" or not needs.glibc:
        return None, []
    from jobwrap.image import nvidia

    libraries = nvidia.host_libraries(machine=looker.node.machine)
    found = nvidia.clashes(libraries, needs.glibc)
    if found and looker.settings.nv_libraries == "leave-out":
        driver = nvidia.host_driver(found, libraries, os.environ.get("PATH", os.defpath))
        return tuple(driver), nvidia.left_out(found, needs.glibc)
    fatal = [clash for clash in found if clash.fatal]
    if fatal and not looker.job.ignore_needs:
        raise nvidia.refusal(image, needs.glibc, fatal)
    return None, [f"no program can load {each.library}: {nvidia.words(each, needs.glibc)}" for each in found]


def check(looker: Looker, image: str, needs: Needs) -> list[str]:
    """A sentence for each unmet need that the job wants ignored; JobwrapError for the first otherwise."""
    verdicts = judge(needs.rows, looker.node)
    unmet = failing(verdicts)
    if unmet and not looker.job.ignore_needs:
        raise refusal(image, unmet)
    return [f"ignored, as asked: {words(each)}" for each in verdicts if each.fits is False]

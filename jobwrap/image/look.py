"""The look at images, inside the probe: candidates one after the other until one is there and fits.

Everything here may touch a file system that hangs; it runs in a child that can be abandoned. Where there
is but one candidate, it is told as soon as it is pinned: a container can start while its needs are read.
"""

from __future__ import annotations

import os
import stat
from typing import Any

from jobwrap.failures import JobwrapError
from jobwrap.image import reading, tree
from jobwrap.image.catalog import Catalog, Variant, load_catalog
from jobwrap.image.files import ABSENT, Files
from jobwrap.image.fit import failing, judge, refusal, words
from jobwrap.image.footprint import footprint
from jobwrap.image.hold import open_to_hold
from jobwrap.image.looker import SANDBOX, SIF, Looker
from jobwrap.image.needs import Needs, merged
from jobwrap.image.program import PATH, Program, find_program
from jobwrap.image.reference import NAME, REMOTE, Reference, parse_reference
from jobwrap.image.scripts import read_variables
from jobwrap.image.variants import Ranking, explain, rank
from jobwrap.image.view import cvmfs_at, view_of
from jobwrap.job.spec import Job
from jobwrap.node import cvmfs
from jobwrap.node.early import EarlyWord

# Failures after which docker:// may still be pulled from its registry.
_NOT_IN_A_TREE = ("image.not_found", "image.unsupported", "site.cvmfs_")


def look(looker: Looker, early: EarlyWord) -> dict[str, Any]:
    """The fields of the Image to run in, as plain data; JobwrapError where there is none.

    early: told those that are known once it is pinned, with a descriptor that holds it; needs come later.
    The answer has besides them "repository": the state of the one that the image lies in, or None.
    """
    try:
        fields = _look(looker, early)
        if "pull" in fields:
            return fields
        _tell(early, fields)
        return {**fields, **_repository_facts(looker, fields["path"])}
    except OSError as error:
        raise tree.broken(error, looker.view, looker.job.image) from error


def _tell(early: EarlyWord, fields: dict[str, Any]) -> None:
    held = open_to_hold(fields["path"])
    early.tell(fields, held)


def look_at_program(looker: Looker, path: str, kind: str) -> dict[str, Any]:
    """The fields program and needs, as plain data, for the image that was chosen before."""
    try:
        program = _program(looker, path, kind)
    except OSError as error:
        raise tree.broken(error, looker.view, looker.job.image) from error
    rows = reading.needs_of_program(program.path, program.elf) if program and program.elf else []
    return {"program": program.path if program else "", "needs": tuple(map(tuple, rows))}


def _look(looker: Looker, early: EarlyWord) -> dict[str, Any]:
    job, asked, reasons = looker.job, looker.job.image, []
    catalog = read_catalog(looker) if asks_catalog(looker) else None
    if asked in ("", "default"):
        asked = looker.settings.default_image or (catalog.default if catalog else "")
        if not asked:
            raise JobwrapError("image.none")
        reasons.append(f"the job names no image, and {asked} is the default here")
    entry = catalog.entries.get(asked) if catalog and not job.exact else None
    if entry is None:
        return find(looker, asked, Variant(asked), reasons, early)
    ranking = rank(entry, looker.node)
    if not ranking.fitting:
        variant, lacking = ranking.rejected[0]
        if not job.ignore_needs:
            raise refusal(asked, lacking)
        return find(looker, asked, variant, [*reasons, *explain(asked, variant, ranking)], early)
    return _first_that_is_there(looker, asked, ranking, reasons, early)


def _first_that_is_there(
    looker: Looker, asked: str, ranking: Ranking, reasons: list[str], early: EarlyWord
) -> dict[str, Any]:
    only = early if len(ranking.fitting) == 1 else None
    failed: list[JobwrapError] = []
    for place, variant in enumerate(ranking.fitting):
        left = ranking._replace(fitting=ranking.fitting[place:])
        try:
            return find(looker, asked, variant, [*reasons, *explain(asked, variant, left)], only)
        except JobwrapError as error:
            if not error.failure.name.startswith("image."):
                raise
            failed.append(error)
            reasons.append(f"{variant.reference} was not taken: {error.sentence}")
    raise failed[0]


def asks_catalog(looker: Looker) -> bool:
    """Whether the job names its image by a name: only names have variants."""
    reference = parse_reference(looker.job.image or "default", looker.folder)
    return reference.kind == NAME and not reference.host and "://" not in reference.text


def read_catalog(looker: Looker) -> Catalog:
    """The site's catalog, else the built-in one; site.settings where it cannot be used."""
    path = looker.settings.catalog
    try:
        if looker.catalog:
            from jobwrap.image.published import parsed

            return parsed(path, looker.catalog)
        return load_catalog(looker.view.on_node(path) if path else "")
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno not in ABSENT:
            raise
        raise JobwrapError("site.settings", path=path or "containers/catalog.toml", problem=error) from error


def find(
    looker: Looker, asked: str, variant: Variant, reasons: list[str], early: EarlyWord | None = None
) -> dict[str, Any]:
    """The fields of an Image for one candidate, or asked, pull and reasons of one to be brought first.

    early: for the only candidate.
    """
    reference = parse_reference(variant.reference, looker.folder)
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
    kind = _kind(path, reference.text)
    pinned = {
        "asked": asked,
        "path": path,
        "kind": kind,
        "tag": tag,
        "content_id": identity,
        "reasons": tuple(reasons),
    }
    gpus = looker.node.gpus
    if early and not gpus.granted:  # of a GPU's driver, the needs tell how much the container gets
        _tell(early, pinned)
    needs = _needs(path, kind, reference.text)
    program = _program(looker, path, kind)
    if program and program.elf:
        rows = (*needs.rows, *reading.needs_of_program(program.path, program.elf))
        needs = needs._replace(rows=merged(rows))
    driver, said = _driver(looker, variant.reference, needs)
    return {
        **pinned,
        "reasons": (*reasons, *check(looker, variant.reference, needs), *said),
        "needs": (tuple(map(tuple, needs.rows)), needs.os, needs.glibc),
        "program": program.path if program else "",
        "driver": driver,
    }


def _repository_facts(looker: Looker, path: str) -> dict[str, Any]:
    """Fields about the repository that the image lies in, as far as its client tells."""
    name = cvmfs.repository_of(path, looker.node.cvmfs)
    if not name:
        return {"repository": None}
    footprint.step(f"{looker.node.cvmfs}/{name}")
    state = cvmfs.look_here(name, looker.node.cvmfs)
    revision = "" if state.revision is None else str(state.revision)
    return {"repository": tuple(state), "root_hash": state.root_hash, "revision": revision}


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

"""The choice: from what the job asks for to one pinned Image that this node can run, and why.

A child of its own looks at the image and imports what it needs for that; meanwhile its parent can do
what it has to do before a launch anyway.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.image.asking import Look, ask_about
from jobwrap.image.looker import SIF, Looker
from jobwrap.image.needs import Need, Needs, merged
from jobwrap.image.reference import REMOTE, Reference, parse_reference
from jobwrap.job.spec import Job
from jobwrap.node.cvmfs import Repository
from jobwrap.node.early import EarlyWord
from jobwrap.node.survey import Node
from jobwrap.settings import Settings


class Image(NamedTuple):
    """The image that the task runs in.

    asked       as the job, or the default, named it
    path        what is launched: the content path of a tree, a folder or a .sif file
    kind        "sandbox" or "sif"
    tag         the path with a tag that led to it, "" where none did
    content_id  64 hex digits that name its content in the tree, "" elsewhere
    needs       what it and the task's program say they need
    reasons     why this one, a sentence each
    root_hash   of its CVMFS repository at that moment, "" where that is not told; likewise revision
    program     the task's program as the task sees it, "" where it is not there yet
    pull        what has to be brought to `path` first (pull.py), "" where it is there
    digest      what its registry calls it, "sha256:…", "" where that is not known
    driver      (libraries, binds) of the host's GPU driver for the container (nvidia.Driver), None for all
    """

    asked: str
    path: str
    kind: str
    tag: str
    content_id: str
    needs: Needs
    reasons: tuple[str, ...]
    root_hash: str = ""
    revision: str = ""
    program: str = ""
    pull: str = ""
    digest: str = ""
    driver: tuple[tuple[str, ...], tuple[tuple[str, str], ...]] | None = None


class Choice:
    """The choice for one job on one node, all of it read within one deadline.

    Begins when it is made, and goes on while its maker does something else. Until the end of a `with` the
    image is held, so that no automounter takes it away; then nothing of it goes on.

    repository  the state of the image's CVMFS repository, once it is judged; None elsewhere
    """

    def __init__(
        self, job: Job, node: Node, settings: Settings, environ: Mapping[str, str] = os.environ
    ) -> None:
        """environ: for the proxies on the way to a catalog behind a URL.

        JobwrapError image.unsupported for an image that makes no sense, site.catalog where none is to be had.
        """
        self._looker = Looker(job, node, settings, os.getcwd())
        self._words: tuple[str, ...] = ()
        self._remote: Reference | None = None
        self._look: Look | None = None
        self._unjudged = False
        self.repository: Repository | None = None
        if job.here:
            return
        if job.image not in ("", "default"):  # what makes no sense needs no look
            reference = parse_reference(job.image, self._looker.folder)
            if reference.kind == REMOTE:
                self._remote = reference
                return
        if "://" in settings.catalog:
            from jobwrap.image.look import asks_catalog
            from jobwrap.image.published import with_catalog

            if asks_catalog(self._looker):
                self._looker, self._words = with_catalog(self._looker, environ)
        self._look = Look(_look, self._looker, tells_early=True)

    def image(self) -> Image:
        """What was chosen, for a task that runs in a container: pinned, and perhaps not judged yet.

        JobwrapError image.*, site.cvmfs_*, site.storage, site.settings or policy.forbidden where none can
        be had.
        """
        job, settings = self._looker.job, self._looker.settings
        if self._remote:
            return to_be_brought(self._remote, job, settings)
        pinned = self._look.early() if self._look else None
        if pinned and "needs" not in pinned:
            self._unjudged = True
            return self._image({**pinned, "needs": ((), "", "")})
        try:
            fields = self._answer()
        except JobwrapError as error:  # as that of a tree that hangs, which its child could not tell
            from jobwrap.image.candidate import has_registry, why_pulled

            if not has_registry(job.image, error):
                raise
            fields = {"asked": job.image, "pull": job.image, "reasons": (why_pulled(job.image, error),)}
        if "pull" in fields:
            reference = parse_reference(fields["pull"], self._looker.folder)
            reasons = (*self._words, *fields["reasons"])
            return to_be_brought(reference, job, settings, fields["asked"], reasons)
        return self._image(fields)

    def judged(self, image: Image) -> Image:
        """That image with what it and the task's program need.

        JobwrapError image.needs_* where the node does not have it, and as image() has them.
        """
        if not self._unjudged:
            return image
        self._unjudged = False
        return self._image(self._answer())._replace(driver=image.driver)

    def _answer(self) -> dict[str, Any]:
        fields = self._look.answer() if self._look else {}
        state = fields.pop("repository", None)
        self.repository = Repository(*state) if state else None
        return fields

    def _image(self, fields: dict[str, Any]) -> Image:
        rows, release, glibc = fields["needs"]
        needs = Needs(_needs(rows), release, glibc)
        return Image(**{**fields, "needs": needs, "reasons": (*self._words, *fields["reasons"])})

    def __enter__(self) -> Choice:
        return self

    def __exit__(self, *_: object) -> None:
        if self._look:
            self._look.close()


def choose(job: Job, node: Node, settings: Settings, environ: Mapping[str, str] = os.environ) -> Image:
    """The image that a Choice comes to, with nothing to do meanwhile."""
    with Choice(job, node, settings, environ) as choice:
        return choice.judged(choice.image())


def _look(looker: Looker, early: EarlyWord) -> dict[str, Any]:
    from jobwrap.image.look import look

    return look(looker, early)


def planned_path(job: Job) -> str:
    """Where an image that lies elsewhere is brought to: in the scratch folder, out of the task's sight."""
    return os.path.join(job.scratch, ".jobwrap", "image.sif")


def to_be_brought(
    reference: Reference, job: Job, settings: Settings, asked: str = "", reasons: Iterable[str] = ()
) -> Image:
    """An image that has to be fetched or pulled before the launch.

    JobwrapError policy.forbidden where the site does not allow that, image.unpinned where the job does not.
    """
    scheme = reference.text.partition(":")[0]
    if settings.images == "tree":
        what = f"images outside its trees, such as {reference.text}"
        raise JobwrapError("policy.forbidden", what=what, rule='policy.images = "tree"')
    if settings.schemes is not None and scheme not in settings.schemes:
        rule = f"policy.schemes = {', '.join(settings.schemes)}"
        what = f"images by {scheme}:, such as {reference.text}"
        raise JobwrapError("policy.forbidden", what=what, rule=rule)
    reasons = list(reasons)
    if "sha256:" not in reference.text:
        if job.require_pinned:
            path = f"{reference.text} with its sha256 digest"
            raise JobwrapError("image.unpinned", image=reference.text, path=path)
        reasons.append(f"{reference.text} can change; name its sha256 digest to run the same again")
    path = planned_path(job)
    return Image(asked or reference.text, path, SIF, "", "", Needs(), tuple(reasons), pull=reference.text)


def check_program(image: Image, job: Job, node: Node, settings: Settings) -> Image:
    """The image with the needs of a program that was staged in after the choice.

    JobwrapError image.needs_* where the node does not meet them.
    """
    if image.program or image.pull:
        return image
    from jobwrap.image.candidate import check, look_at_program

    looker = Looker(job, node, settings, os.getcwd())
    found = ask_about(look_at_program, looker, image.path, image.kind)
    rows = _needs(found["needs"])
    ignored = check(looker, image.asked, image.needs._replace(rows=rows))
    needs = image.needs._replace(rows=merged((*image.needs.rows, *rows)))
    return image._replace(needs=needs, program=found["program"], reasons=(*image.reasons, *ignored))


def _needs(rows: Iterable[tuple[str, str, str]]) -> tuple[Need, ...]:
    return tuple(Need(*row) for row in rows)

"""The look at images, inside the probe: candidates one after the other until one is there and fits.

Everything here may touch a file system that hangs; it runs in a child that can be abandoned. Where there
is but one candidate, it is told as soon as it is pinned: a container can start while its needs are read.
"""

from __future__ import annotations

from typing import Any

from jobwrap.failures import JobwrapError
from jobwrap.image import tree
from jobwrap.image.candidate import find, tell
from jobwrap.image.catalog import Catalog, Variant, load_catalog
from jobwrap.image.files import ABSENT
from jobwrap.image.fit import refusal
from jobwrap.image.footprint import footprint
from jobwrap.image.looker import Looker
from jobwrap.image.reference import NAME, parse_reference
from jobwrap.image.variants import Ranking, explain, rank
from jobwrap.node import cvmfs
from jobwrap.node.early import EarlyWord


def look(looker: Looker, early: EarlyWord) -> dict[str, Any]:
    """The fields of the Image to run in, as plain data; JobwrapError where there is none.

    early: told those that are known once it is pinned, with a descriptor that holds it; needs come later.
    The answer has besides them "repository": the state of the one that the image lies in, or None.
    """
    try:
        fields = _look(looker, early)
        if "pull" in fields:
            return fields
        tell(early, fields)
        return {**fields, **_repository_facts(looker, fields["path"])}
    except OSError as error:
        raise tree.broken(error, looker.view, looker.job.image) from error


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


def _repository_facts(looker: Looker, path: str) -> dict[str, Any]:
    """Fields about the repository that the image lies in, as far as its client tells."""
    name = cvmfs.repository_of(path, looker.node.cvmfs)
    if not name:
        return {"repository": None}
    footprint.step(f"{looker.node.cvmfs}/{name}")
    state = cvmfs.look_here(name, looker.node.cvmfs)
    revision = "" if state.revision is None else str(state.revision)
    return {"repository": tuple(state), "root_hash": state.root_hash, "revision": revision}

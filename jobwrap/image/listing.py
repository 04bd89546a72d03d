"""What the catalog has, and whether it runs here: a look at every variant, inside one probe."""

from __future__ import annotations

from typing import Any, NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.image.asking import ask_about
from jobwrap.image.candidate import find
from jobwrap.image.catalog import Variant
from jobwrap.image.choose import to_be_brought
from jobwrap.image.fit import words
from jobwrap.image.look import read_catalog
from jobwrap.image.looker import Looker
from jobwrap.image.reference import parse_reference
from jobwrap.image.tree import broken
from jobwrap.image.variants import rank, unmet


class Listed(NamedTuple):
    """One variant of a name.

    needs   as the catalog has them, in words
    taken   whether it is the one that a job gets here
    why     why it does not run here, "" if it does
    """

    name: str
    about: str
    default: bool
    reference: str
    needs: str
    taken: bool
    why: str


def list_images(looker: Looker) -> list[Listed]:
    """All variants of the catalog; JobwrapError site.* where the look at them fails."""
    return [Listed(*row) for row in ask_about(_look, looker)["rows"]]


def _look(looker: Looker) -> dict[str, Any]:
    catalog = read_catalog(looker)
    rows = []
    for name, entry in catalog.entries.items():
        problems = {variant: _problem(looker, variant) for variant in entry.variants}
        fitting = rank(entry, looker.node).fitting
        taken = next((variant for variant in fitting if not problems[variant]), None)
        for variant, why in problems.items():
            needs = ", ".join(need.value for need in variant.needs)
            default = name == (looker.settings.default_image or catalog.default)
            rows.append((name, entry.about, default, variant.reference, needs, variant is taken, why))
    return {"rows": rows}


def _problem(looker: Looker, variant: Variant) -> str:
    """Why a variant does not run here, "" if it does."""
    lacking = unmet(variant, looker.node)
    if lacking:
        return words(lacking)
    try:
        found = find(looker, variant.reference, variant, [])
        if "pull" in found:
            to_be_brought(parse_reference(found["pull"], looker.folder), looker.job, looker.settings)
    except JobwrapError as error:
        return error.sentence
    except OSError as error:
        return broken(error, looker.view, variant.reference).sentence
    return ""

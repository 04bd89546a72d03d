"""Which failure of the table it is when no place gave a file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from jobwrap.transfer.protocols import SCHEMES
from jobwrap.transfer.trouble import (
    ARCHIVE,
    CHECKSUM,
    DENIED,
    FORBIDDEN,
    NO_SPACE,
    NOT_FOUND,
    SCHEME,
    SCRATCH,
    UNREACHABLE,
)
from jobwrap.transfer.url import scheme_of

if TYPE_CHECKING:
    from jobwrap.transfer.errand import Errand

# Of what the places said, the failure is named after the first of these: what most likely has to be mended.
_ROWS = {
    SCRATCH: "site.scratch",
    NO_SPACE: "input.no_space",
    ARCHIVE: "input.archive",
    CHECKSUM: "input.checksum",
    UNREACHABLE: "input.unreachable",
    DENIED: "input.denied",
    NOT_FOUND: "input.not_found",
    FORBIDDEN: "policy.forbidden",
    SCHEME: "input.scheme",
}


def of(errand: Errand) -> tuple[str, dict[str, str]]:
    """The row's name, and facts for any of these rows."""
    kind = next((one for one in _ROWS if one in errand.kinds), NOT_FOUND)
    folder = os.path.dirname(errand.wanted.path)
    told = "; ".join(f"{place}: {why}" for place, why in errand.skipped) or "none was named"
    schemes = sorted({scheme_of(place) for place in errand.wanted.places})
    facts = {
        "name": errand.wanted.name,
        "places": told,
        "scratch": folder,
        "path": folder,
        "problem": errand.skipped[-1][1] if errand.skipped else "",
        "scheme": ", ".join(one for one in schemes if one not in SCHEMES),
        "known": ", ".join(filter(None, SCHEMES)),
        "what": f"input {errand.wanted.name} from any of its places",
        "rule": told,
    }
    return _ROWS[kind], facts

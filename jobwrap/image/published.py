"""A catalog that the site keeps behind a URL: a copy on each node, asked for again when it is old.

The copy lies in the node's cache, catalogs/KEY.json: one file, replaced by rename, with the text, by what
its server knows it, when it was last right and when it was last asked for. What is no catalog never
replaces one, and a server that is down costs one look in a while, not one in each job.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.image.catalog import Catalog, parse_catalog
from jobwrap.image.looker import Looker
from jobwrap.image.trust import FILES, name_for
from jobwrap.job.files import parse_table
from jobwrap.node.probe import Hung, ask
from jobwrap.transfer.cache import of_url, open_caches
from jobwrap.transfer.url import redact

if TYPE_CHECKING:
    from jobwrap.transfer.options import Options

_FRESH = 300.0  # seconds in which a copy is believed
_MOST = 1 << 20  # bytes, as of any file that a person writes
_TRIES = 3  # where there is no copy to fall back on


class Copy(NamedTuple):
    """What this node has of it.

    text      of the catalog
    etag      and modified: by what its server knows it
    right     when it was last seen to be right, seconds since the epoch; asked: when it was last tried
    problem   why that told nothing, "" if it did
    """

    text: str
    etag: str
    modified: str
    right: float
    asked: float
    problem: str = ""


def with_catalog(looker: Looker, environ: Mapping[str, str]) -> tuple[Looker, tuple[str, ...]]:
    """Looker with the text of the site's catalog, and what is to be said of it; site.catalog without one."""
    url = looker.settings.catalog
    copy = _copy(url, looker, environ)
    words: tuple[str, ...] = ()
    if copy.problem:
        then = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(copy.right))
        words = (
            f"the catalog is this node's copy of {then}, since {redact(url)} gives none: {copy.problem}",
        )
    return looker._replace(catalog=copy.text), words


def _copy(url: str, looker: Looker, environ: Mapping[str, str]) -> Copy:
    settings = looker.settings
    path = _place(settings.cache, name_for(url, environ, FILES))
    kept, now = _read(path), time.time()
    if kept and 0 <= now - kept.asked < _FRESH:
        return kept
    if kept:  # other slots need not ask at the same time
        _write(path, kept._replace(asked=now))
    # What most launches need not import, as they find a copy that is fresh.
    from jobwrap.transfer.options import options_of

    options = options_of(settings, environ)._replace(schemes=None, token="", tokens=(), credentials="")
    wait = settings.deadline / 4  # a proxy or a name server that hangs must not take all of it
    options = options._replace(room=_MOST, attempts=1 if kept else _TRIES, connect=wait, answer=wait)
    fresh = _asked(url, kept, options, settings.deadline)
    if isinstance(fresh, Copy):
        fresh = fresh._replace(right=now, asked=now)
    elif kept:
        fresh = kept._replace(asked=now, problem=fresh)
    else:
        raise JobwrapError("site.catalog", path=redact(url), problem=fresh)
    _write(path, fresh)
    return fresh


def _asked(url: str, kept: Copy | None, options: Options, deadline: float) -> Copy | str:
    """What its server gives, or why it gives nothing; asked in a child, since a name server may hang."""
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix="jobwrap-")
    known = (kept.etag, kept.modified) if kept else ("", "")
    try:
        said = ask(_bring, url, folder, options, known, deadline=deadline, what=redact(url))
    except (Hung, OSError, RuntimeError) as error:
        return str(error)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if isinstance(said, str):
        return said
    if said is not None:
        text, etag, modified = said
        return Copy(text, etag, modified, 0.0, 0.0)
    return kept._replace(problem="") if kept else "it says that nothing has changed"


def _bring(
    url: str, folder: str, options: Options, known: tuple[str, str]
) -> tuple[str, str, str] | str | None:
    """(text, ETag, Last-Modified) of a catalog that was seen to be one; None if the known one still is."""
    from jobwrap.transfer import small
    from jobwrap.transfer.trouble import Trouble

    try:
        came = small.bring(url, folder, options, known)
    except Trouble as trouble:
        return trouble.why
    if came is None:
        return None
    try:
        text = came.content.decode()
        parsed(url, text)
    except ValueError as error:
        return f"what came is no catalog: {error}"
    return text, came.etag, came.modified


def parsed(url: str, text: str) -> Catalog:
    """The catalog of the text that `url` gave, JSON or TOML by the end of its path; ValueError for none."""
    name = re.split("[?#]", url, maxsplit=1)[0]
    return parse_catalog(redact(url), parse_table(text.encode(), name))


def _place(cache: str, url: str) -> str:
    """Where the copy lies, "" where this node keeps none."""
    caches = open_caches(cache, None, ()) if cache else []
    return os.path.join(caches[-1].folder, "catalogs", f"{of_url(url)}.json") if caches else ""


def _read(path: str) -> Copy | None:
    try:
        with open(path, encoding="utf-8") as file:
            return Copy(**json.load(file))
    except (OSError, ValueError, TypeError):
        return None


def _write(path: str, copy: Copy) -> None:
    """A disk that is full costs the copy and nothing more."""
    part = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(part, "w", encoding="utf-8") as file:
            json.dump(copy._asdict(), file)
        os.replace(part, path)
    except OSError:
        pass

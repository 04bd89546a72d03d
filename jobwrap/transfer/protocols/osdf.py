"""osdf:, stash: and pelican: URLs: the federation's director says which caches have the file, in which order.

Discovery, the director's headers and the environment's names: docs.pelicanplatform.org. Where our own way
fails and the pelican client is installed, that has the last word.
"""

from __future__ import annotations

import json
import re
import shutil
import threading
from typing import NamedTuple

from jobwrap.letters import scheme_of
from jobwrap.transfer import credentials, exchange
from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.exchange import Request
from jobwrap.transfer.program import run
from jobwrap.transfer.protocols import dav, http
from jobwrap.transfer.sink import Sink
from jobwrap.transfer.source import Source
from jobwrap.transfer.trouble import DENIED, NOT_FOUND, UNREACHABLE, Passing, Trouble
from jobwrap.transfer.url import Url, follow

_OSDF = "osg-htc.org"
_WELL_KNOWN = "/.well-known/pelican-configuration"
_OBJECT, _ORIGIN = "/api/v1.0/director/object", "/api/v1.0/director/origin"
_MOST_SERVERS = 4
_LINK = re.compile(r"<([^>]*)>([^<]*)")
_PRIORITY = re.compile(r"pri=(\d+)")

_directors: dict[str, Url] = {}
_lock = threading.Lock()


class Directed(NamedTuple):
    """What the director says: servers in the order in which to ask them, and whether they want a token."""

    servers: tuple[Url, ...]
    token: bool


class Name(NamedTuple):
    """An object's name: host of its federation, path, and query."""

    federation: str
    path: str
    query: str


def get(place: str, sink: Sink, attempt: Attempt) -> None:
    try:
        _get(place, sink, attempt)
    except Trouble as trouble:
        client = shutil.which("pelican")
        if attempt.ended or trouble.kind == NOT_FOUND or not client:
            raise
        _get_with(client, place, sink, attempt)


def _get_with(client: str, place: str, sink: Sink, attempt: Attempt) -> None:
    """By the federation's own client. Not seen to work here: the tests have only one that plays it."""
    target = sink.part + ".got"
    attempt.within(attempt.options.deadline, "the pelican client's transfer")
    ran = run([client, "object", "get", place, target], attempt)
    if ran.code:
        raise Passing(
            f"the pelican client: {ran.err.strip().splitlines()[-1] if ran.err.strip() else ran.code}"
        )
    sink.adopt(target)


def _get(place: str, sink: Sink, attempt: Attempt) -> None:
    """From the caches in turn; each further try begins with the next of them."""
    last: Trouble = Trouble(NOT_FOUND, "no cache has it")
    servers, headers = _route(place, attempt)
    start = attempt.tries % len(servers)
    for url in [*servers[start:], *servers[:start]]:
        try:
            http.get_from(url, sink, attempt, headers)
            return
        except Trouble as trouble:
            if attempt.ended:
                raise
            last = _worse(last, trouble, url)
    raise last


def probe(place: str, attempt: Attempt) -> None:
    last: Trouble = Trouble(NOT_FOUND, "no cache has it")
    servers, headers = _route(place, attempt)
    for url in servers:
        try:
            http.probe_at(url, attempt, headers)
            return
        except Trouble as trouble:
            last = _worse(last, trouble, url)
    raise last


def put(source: Source, place: str, attempt: Attempt) -> None:
    """To the origin, which the director names, and always with a token."""
    name = _name(place)
    directed = _direct(name, _ORIGIN, "PUT", attempt)
    dav.put_to(directed.servers[0], source, attempt, _token(attempt))


def _route(place: str, attempt: Attempt) -> tuple[list[Url], list[tuple[str, str]]]:
    name = _name(place)
    api = _ORIGIN if "directread" in name.query else _OBJECT
    directed = _direct(name, api, "GET", attempt)
    return _ordered(directed, name, attempt), _token(attempt) if directed.token else []


def _worse(last: Trouble, trouble: Trouble, url: Url) -> Trouble:
    """The one to tell of: that a cache failed says more than that another does not have it."""
    told = f"{url.host}: {trouble.why}"
    if isinstance(trouble, Passing):
        return Passing(told, trouble.after)
    return last if isinstance(last, Passing) else Trouble(trouble.kind, told)


def _name(place: str) -> Name:
    """osdf: has no host: what stands there is the first part of the path, as people write it."""
    scheme = scheme_of(place)
    rest = place[len(scheme) + 1 :].partition("#")[0]
    path, _, query = rest.partition("?")
    if scheme == "pelican":
        host, slash, path = path.lstrip("/").partition("/")
        if not host or not slash:
            raise Trouble(NOT_FOUND, "a pelican: URL needs a federation and a path")
        return Name(host, "/" + path, query)
    return Name(_OSDF, "/" + path.lstrip("/"), query)


def _director(federation: str, attempt: Attempt) -> Url:
    if attempt.options.director and federation == _OSDF:
        return exchange.parsed(attempt.options.director)
    with _lock:
        known = _directors.get(federation)
    if known:
        return known
    asked = exchange.ask(Request("GET", exchange.parsed(f"https://{federation}{_WELL_KNOWN}")), attempt)
    try:
        if asked.answer.status != 200:  # noqa: PLR2004
            raise exchange.refusal(asked.answer)
        director = exchange.parsed(json.loads(asked.read(1 << 16))["director_endpoint"])
    except (ValueError, KeyError, TypeError) as error:
        raise Trouble(UNREACHABLE, f"{federation} does not say where its director is") from error
    finally:
        asked.close()
    with _lock:
        _directors[federation] = director
    return director


def _direct(name: Name, api: str, method: str, attempt: Attempt) -> Directed:
    director = _director(name.federation, attempt)
    url = director._replace(path=director.path.rstrip("/") + api + name.path, query=name.query)
    asked = exchange.ask(Request(method, url), attempt, redirects=False)
    asked.close()
    answer = asked.answer
    if answer.status not in (200, 302, 307):
        trouble = exchange.refusal(answer)
        trouble.why = f"the director says: {trouble.why}"
        raise trouble
    links = _LINK.findall(answer.headers.get("link", ""))
    places = [link for link, _ in sorted(links, key=lambda one: _priority(one[1]))]
    places = places or [answer.headers.get("location", "")]
    servers = tuple(follow(url, place) for place in places if place)
    if not servers:
        raise Trouble(UNREACHABLE, "the director names no server")
    return Directed(servers, "require-token=true" in answer.headers.get("x-pelican-namespace", ""))


def _priority(parameters: str) -> int:
    found = _PRIORITY.search(parameters)
    return int(found[1]) if found else 1 << 20


def _ordered(directed: Directed, name: Name, attempt: Attempt) -> list[Url]:
    """The site's own caches first; the director's too, unless the site named its own without a "+"."""
    wanted = attempt.options.caches
    own = [_below(exchange.parsed(cache), name) for cache in wanted if cache != "+"]
    if "directread" in name.query:
        own = []
    elif own and "+" not in wanted:
        return own
    return [*own, *(url for url in directed.servers if url not in own)][: _MOST_SERVERS + len(own)]


def _below(cache: Url, name: Name) -> Url:
    return cache._replace(path=cache.path.rstrip("/") + name.path, query="")


def _token(attempt: Attempt) -> list[tuple[str, str]]:
    if not attempt.options.token:
        raise Trouble(DENIED, "it takes a token, and there is none here (BEARER_TOKEN_FILE)")
    return [("Authorization", f"Bearer {credentials.read_token(attempt.options.token)}")]

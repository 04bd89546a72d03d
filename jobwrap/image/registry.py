"""What a tag means at its registry now: a digest, under which the image is pulled and recorded.

Sources: OCI distribution specification 1.1, Docker registry token authentication. Where a registry does
not tell, say because only the container runtime knows a login for it, the tag is pulled as it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from jobwrap.node.probe import Hung, ask
from jobwrap.settings import Settings
from jobwrap.transfer import connections, exchange
from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.exchange import Request
from jobwrap.transfer.options import Options, options_of
from jobwrap.transfer.small import watched
from jobwrap.transfer.trouble import Trouble

_IMAGE = re.compile(
    r"docker://(?:(?P<host>[^/@]*[.:][^/@]*|localhost)/)?(?P<name>[^:@]+)(?::(?P<tag>[\w.-]+))?", re.ASCII
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HUB, _HUBS_API = ("docker.io", "index.docker.io"), "registry-1.docker.io"
_MANIFESTS = (
    *("application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"),
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_LOGINS = ("APPTAINER_DOCKER_{}", "SINGULARITY_DOCKER_{}")
_FOUND, _DENIED = 200, 401
_MOST = 1 << 16


def pin(reference: str, settings: Settings, environ: Mapping[str, str]) -> tuple[str, str]:
    """(what to pull, its digest) for a docker:// reference; itself and "" where no digest is told."""
    given = _DIGEST.search(reference)
    if given:
        return reference, given[0]
    image = _IMAGE.fullmatch(reference)
    if not image:
        return reference, ""
    wait = settings.deadline / 4
    options = options_of(settings, environ)._replace(token="", tokens=(), connect=wait, answer=wait)
    try:
        digest = ask(_digest, reference, _login(environ), options, deadline=settings.deadline, what=reference)
    except (Hung, OSError, RuntimeError):
        digest = ""
    host = f"{image['host']}/" if image["host"] else ""
    return (f"docker://{host}{image['name']}@{digest}", digest) if digest else (reference, "")


def _login(environ: Mapping[str, str]) -> str:
    """name:password as the runtime takes them from the environment, "" without."""
    for form in _LOGINS:
        name, password = (environ.get(form.format(what), "") for what in ("USERNAME", "PASSWORD"))
        if name and password:
            return f"{name}:{password}"
    return ""


def _digest(reference: str, login: str, options: Options) -> str:
    """In a probe: the digest of the manifest that the tag names, "" where that is not to be had."""
    image = _IMAGE.fullmatch(reference)
    assert image
    host, name = image["host"] or _HUB[0], image["name"]
    if host in _HUB:
        host, name = _HUBS_API, name if "/" in name else f"library/{name}"
    url = exchange.parsed(f"https://{host}/v2/{name}/manifests/{image['tag'] or 'latest'}")
    headers = [("Accept", kind) for kind in _MANIFESTS]
    attempt = Attempt(options)
    try:
        with watched(attempt):
            asked = exchange.ask(Request("HEAD", url, headers), attempt)
            asked.close()
            if asked.answer.status == _DENIED:
                who = _authorization(asked.answer.headers.get("www-authenticate", ""), login, attempt)
                asked = exchange.ask(Request("HEAD", url, [*headers, ("Authorization", who)]), attempt)
                asked.close()
    except (Trouble, ValueError, KeyError, TypeError):
        return ""
    digest = asked.answer.headers.get("docker-content-digest", "")
    return digest if asked.answer.status == _FOUND and _DIGEST.fullmatch(digest) else ""


def _authorization(challenge: str, login: str, attempt: Attempt) -> str:
    """The header that a registry wants to see: a token that its own server gives, or name and password."""
    basic = connections.basic(login) if login else ""
    told = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    if not challenge.lower().startswith("bearer "):
        return basic
    query = "&".join(f"{key}={told[key]}" for key in ("service", "scope") if key in told)
    realm = exchange.parsed(told["realm"])
    if realm.scheme != "https":
        return ""
    asked = exchange.ask(
        Request("GET", realm._replace(query=query), [("Authorization", basic)] if basic else []), attempt
    )
    try:
        said = json.loads(asked.read(_MOST))
    finally:
        asked.close()
    return f"Bearer {said.get('token') or said['access_token']}"

"""Keep secrets out of whatever jobwrap says: by their value, by the name they stand behind, by their form.

The record, the log, messages and tracebacks all go through here. What a task prints itself does not.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from jobwrap.job.spec import Job

HIDDEN = "[redacted]"
_NAME = (
    r"(?:token(?!s|iz)|secret|passw(?:or)?d|passphrase|credential"
    r"|(?:api|access|private|auth)[_-]?key|signature)"
)
# A variable or an option called like this holds a secret; one called …_FILE says where it lies.
_PLACES = r"(?:file|path|dir|folder|name|url)\b"
_SECRET_NAME = rf"(?i){_NAME}(?!.*{_PLACES})"
_FORMS = (
    r"(?is)(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?P<user>[^/\s@\"'<>]*@)?(?P<path>[^\s?#\"'<>]*)"
    r"(?P<query>\?[^\s\"'<>)]*(?<![:,;]))?"
    rf"|(?P<name>[\w-]*{_NAME}[\w-]*\s*[=:]\s*)(?P<value>[^\s,;\"']+)"
    rf"|(?P<option>(?<!\S)-[\w-]*{_NAME}(?![\w-]*{_PLACES})[\w-]*\s+)[^\s-]\S*"
    r"|(?P<bearer>\b(?:bearer|basic)\s+)[a-z0-9._~+/=-]{8,}"
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]+"  # a JSON web token, RFC 7519
    r"|-----BEGIN [a-z ]*PRIVATE KEY-----.*?(?:-----END [a-z ]*PRIVATE KEY-----|\Z)"
)
# To import re and to compile these takes 10 ms: what has none of the hints needs no look.
_HINTS = ("token", "secret", "passw", "passphrase", "credential", "key", "signature")
_FORM_HINTS = (*_HINTS, "bearer", "basic", "eyj")
_URL_HINTS = ("@", "?")  # only what has one of them has a user or a query
_SHORTEST = 6  # characters; what is shorter stands in every other word
_MOST = 64 << 10  # bytes of a file of credentials


class Secrets:
    """The secrets that this job could give away."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        known = sorted({value for value in values if len(value) >= _SHORTEST}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def clean(self, text: str) -> str:
        """The text without any of them."""
        if self._known:
            text = self._known.sub(HIDDEN, text)
        return re.sub(_FORMS, _without, text) if _may_hide(text) else text

    def cleaned(self, value: Any) -> Any:
        """The same for plain data of any depth; in a list of words the one behind --token is hidden, too."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, dict):
            return {name: self.cleaned(each) for name, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [
                HIDDEN if _is_secret_option(before) and isinstance(each, str) else self.cleaned(each)
                for before, each in zip((None, *value), value)
            ]
        return value


def secrets_of(environ: Mapping[str, str], job: Job) -> Secrets:
    """What is secret in the caller's environment, in the task's variables and in the job's URLs.

    Files of tokens are read where the environment names them (BEARER_TOKEN_FILE, _CONDOR_CREDS).
    """
    values = [
        value for name, value in (*environ.items(), *job.submitted, *job.env) if _is_secret(name, value)
    ]
    for url in (
        *(place for each in job.inputs for place in each.places),
        *(each.url for each in job.outputs),
    ):
        values += _secrets_of_url(url)
    files = [environ.get("BEARER_TOKEN_FILE", "")]
    if job.credentials:
        from jobwrap.transfer.credentials import discover

        files.append(discover(environ))
    folder = environ.get("_CONDOR_CREDS", "")
    try:
        files += [os.path.join(folder, name) for name in os.listdir(folder)] if folder else []
    except OSError:
        pass
    return Secrets([*values, *(_content(path) for path in files if path)])


def _is_secret(name: str, value: str) -> bool:
    return _names_a_secret(name) and not value.startswith("/")


def _secrets_of_url(url: str) -> list[str]:
    """The password of a URL and the values of its query, as they stand there."""
    rest = url.partition("://")[2]
    host, _, path = rest.partition("/")
    user = host.rpartition("@")[0]
    query = path.partition("?")[2].partition("#")[0]
    return [user.partition(":")[2], query, *(pair.partition("=")[2] for pair in query.split("&"))]


def _content(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read(_MOST).strip()
    except (OSError, ValueError):
        return ""


def _is_secret_option(word: object) -> bool:
    """Whether the next word of a command line is a secret: --token, -password; not --token=…"""
    return isinstance(word, str) and word[:1] == "-" and "=" not in word and _names_a_secret(word)


def _names_a_secret(name: str) -> bool:
    return _hinted(name, _HINTS) and bool(re.search(_SECRET_NAME, name))


def _may_hide(text: str) -> bool:
    """Whether one of _FORMS may be in it."""
    return _hinted(text, _FORM_HINTS) or ("://" in text and _hinted(text, _URL_HINTS))


def _hinted(text: str, hints: tuple[str, ...]) -> bool:
    text = text.lower()
    return any(hint in text for hint in hints)


def _without(form: re.Match[str]) -> str:
    if form["scheme"]:
        query = f"?{HIDDEN}" if form["query"] else ""
        return f"{form['scheme']}{form['path']}{query}"
    if form["name"]:
        return form["name"] + HIDDEN
    return (form["option"] or form["bearer"] or "") + HIDDEN

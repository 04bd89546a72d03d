"""An image as people write it: a name, a path, or the address of a registry or a file.

htc/debian:12, default                          a name of the catalog or the tree
docker://hub.opensciencegrid.org/htc/debian:12  the same, as the tree drops the registry's host
/cvmfs/..., ./folder, image.sif                 a path
oras://..., library://..., osdf://....sif       what would have to be fetched
"""

from __future__ import annotations

import os
from typing import NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.letters import is_hex, is_scheme, is_word

NAME, PATH, REMOTE = "name", "path", "remote"
_DIGITS = 64  # of a sha256
_TREE_SCHEMES = ("docker", "cvmfs")
_REMOTE_SCHEMES = ("docker", "oras", "library", "shub", "osdf", "stash", "pelican", "http", "https", "s3")


class Reference(NamedTuple):
    """One image, not yet looked for.

    text    as it was written
    kind    "name", "path" or "remote"
    path    absolute, for a path
    host    the registry, "" where none was named
    name    namespace/name for a name, without host, tag and digest
    tag     for a name; "latest" where none was written
    digest  64 hex digits of a sha256, or ""
    """

    text: str
    kind: str
    path: str = ""
    host: str = ""
    name: str = ""
    tag: str = ""
    digest: str = ""

    @property
    def tagged(self) -> str:
        """The name as the tree spells it."""
        return f"{self.name}:{self.tag}"


def parse_reference(text: str, folder: str) -> Reference:
    """The Reference that `text` means to someone who stands in `folder`.

    JobwrapError image.unsupported for what is none.
    """
    text = text.strip()
    if "\0" in text:
        raise JobwrapError("image.unsupported", image=repr(text), problem="a NUL byte in its name")
    scheme, mark, rest = text.partition("://")
    if not mark or not _is_scheme(scheme):
        scheme, rest = "", text
    if scheme == "file":
        return Reference(text, PATH, path=os.path.join("/", rest.removeprefix("localhost")))
    if scheme and scheme not in _TREE_SCHEMES:
        if scheme not in _REMOTE_SCHEMES:
            raise JobwrapError("image.unsupported", image=text, problem=f"{scheme}: is not known")
        return Reference(text, REMOTE)
    if not scheme and (text.startswith(("/", "./", "../")) or text in (".", "..") or text.endswith(".sif")):
        return Reference(text, PATH, path=os.path.normpath(os.path.join(folder, text)))
    return _parse_name(text, rest.lstrip("/") if scheme else text)


def _parse_name(text: str, name: str) -> Reference:
    name, pinned, digest = name.partition("@sha256:")
    first, slash, rest = name.partition("/")
    host = ""
    # As docker does it: only a host has a dot, a port, or is localhost.
    if slash and ("." in first or ":" in first or first == "localhost"):
        host, name = first, rest
    server, colon, port = host.partition(":")
    name, tagged, tag = name.partition(":")
    words = (*name.split("/"), *((server,) if host else ()), *((tag,) if tagged else ()))
    numbers = (not colon or (port.isascii() and port.isdecimal())) and (not pinned or is_hex(digest, _DIGITS))
    if not numbers or not all(map(is_word, words)):
        raise JobwrapError("image.unsupported", image=text, problem="neither a name nor a path nor a URL")
    if "/" not in name and name != "default":
        name = f"library/{name}"  # as docker and the tree spell docker's own images
    return Reference(text, NAME, host=host, name=name, tag=tag or "latest", digest=digest)


def _is_scheme(text: str) -> bool:
    return is_scheme(text) and text == text.lower() and "." not in text

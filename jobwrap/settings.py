"""What the site says: defaults that rank below the job, and a policy that is applied to the result.

Read only from where the job cannot write: /etc/jobwrap/site.toml (or .json), or the file that the
pilot's own command line names with --site before any word of the job.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.job import entries, words
from jobwrap.job.files import read_table
from jobwrap.job.options import Layer, parse_keys
from jobwrap.job.spec import Bind

PLACES = ("/etc/jobwrap/site.toml", "/etc/jobwrap/site.json")
_TABLES = ("defaults", "node", "policy", "transfer")


class Settings(NamedTuple):
    """A site's settings; as they are here where the site has none.

    path          the file they come from, "" without one
    defaults      options as in a job file, ranking below the job
    runtime       path of the container runtime
    cvmfs         where CVMFS is mounted
    deadline      seconds that a look at a file system may take
    image_trees   folders whose names people may use as image names
    catalog       path or URL of the site's own image catalog
    default_image for jobs that name none
    cache         folder shared by all slots of the node, "" for none; cache_quota: bytes that it may take,
                  None for half of its file system; cache_owners: user ids of those whose cache is read
    binds         paths that every task sees where they exist
    images        "any", or "tree": only images of the trees
    bind_sources  folders out of which a job may bind, None for any that is not forbidden
    schemes       URL schemes that may be fetched and delivered to, None for any
    here          whether a job may run without a container
    time          the longest wall time in seconds, None for any
    network       "host", or "none": no task gets a network
    nv_libraries  what becomes of libraries of the host's GPU driver that need a newer glibc than the image
                  has: "leave-out", or "refuse": no job runs that would need one to use its GPU
    over_memory   what is done with a task that uses more than it was granted: "warn", or "kill"; most
                  batch systems act themselves
    over_disk     the same for what lies in its scratch folder
    transfer      how bytes are moved: fields of transfer/options.py
    """

    path: str = ""
    defaults: Layer = {}  # noqa: RUF012  # never changed
    runtime: str = ""
    cvmfs: str = ""
    deadline: float = 20.0
    image_trees: tuple[str, ...] = ("/cvmfs/singularity.opensciencegrid.org",)
    catalog: str = ""
    default_image: str = ""
    cache: str = ""
    cache_quota: int | None = None
    cache_owners: tuple[int, ...] = (0,)
    binds: tuple[Bind, ...] = ()
    images: str = "any"
    bind_sources: tuple[str, ...] | None = None
    schemes: tuple[str, ...] | None = None
    here: bool = True
    time: float | None = None
    network: str = "host"
    nv_libraries: str = "refuse"
    over_memory: str = "warn"
    over_disk: str = "warn"
    transfer: dict[str, Any] = {}  # noqa: RUF012  # never changed


_KEYS: dict[str, dict[str, Any]] = {
    "node": {
        "runtime": words.absolute,
        "cvmfs": words.absolute,
        "deadline": words.duration,
        "catalog": words.path_or_url,
        "cache": words.absolute,
        "cache_quota": words.size,
        "cache_owners": [words.user],
        "image_trees": [words.absolute],
        "binds": [entries.bind],
    },
    "policy": {
        "images": words.one_of("any", "tree"),
        "bind_sources": [words.absolute],
        "schemes": [words.text],
        "here": words.flag,
        "time": words.duration,
        "network": words.one_of("host", "none"),
        "nv_libraries": words.one_of("refuse", "leave-out"),
        "over_memory": words.one_of("warn", "kill"),
        "over_disk": words.one_of("warn", "kill"),
    },
}


def read_settings(path: str = "", places: tuple[str, ...] = PLACES) -> Settings:
    """The settings in `path`, else in the first of `places` that is there, else the built-in ones.

    JobwrapError site.settings where they cannot be trusted or read.
    """
    named = bool(path)
    path = path or next((place for place in places if os.path.lexists(place)), "")
    if not path:
        return Settings()
    try:
        _must_be_the_sites(path, (0, os.getuid()) if named else (0,))
        table = read_table(path)
        return _settings(path, table)
    except (OSError, ValueError) as error:
        problem = error.strerror if isinstance(error, OSError) else str(error)
        raise JobwrapError("site.settings", path=path, problem=problem) from error


def named_settings(words: list[str]) -> tuple[Settings, list[str]]:
    """The settings of the file that --site FILE names as the first two words, and the words after them.

    Nothing later names one: that would be a word of the job.
    """
    if words[:1] == ["--site"] and len(words) > 1:
        return read_settings(words[1]), words[2:]
    return read_settings(), words


def _must_be_the_sites(path: str, owners: tuple[int, ...]) -> None:
    """A file that anyone else can change is no policy."""
    status = os.stat(path)
    if status.st_uid not in owners or status.st_mode & 0o022:
        raise ValueError("others than the site can write to it")


def _settings(path: str, table: dict[str, Any]) -> Settings:
    for name, keys in table.items():
        if name not in _TABLES or not isinstance(keys, dict):
            raise ValueError(f"there is no table [{name}]; there are {', '.join(_TABLES)}")
    defaults = parse_keys(table.get("defaults", {}))
    fields: dict[str, Any] = {"path": path, "defaults": defaults, "default_image": defaults.get("image", "")}
    if "transfer" in table:
        from jobwrap.transfer.keys import read_keys

        fields["transfer"] = read_keys(table["transfer"])
    for name, parsers in _KEYS.items():
        for key, value in table.get(name, {}).items():
            if key not in parsers:
                raise ValueError(f"[{name}] has no key {key!r}; it has {', '.join(parsers)}")
            fields[key] = _value(f"{name}.{key}", parsers[key], value)
    return Settings(**fields)


def _value(key: str, parse: Any, value: Any) -> Any:
    try:
        if not isinstance(parse, list):
            return parse(value)
        if not isinstance(value, list):
            raise ValueError("must be a list")
        return tuple(parse[0](each) for each in value)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None

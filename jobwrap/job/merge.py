"""Put the layers over each other: flags, job file, job ad, site defaults, built-in defaults; then the policy.

In every option that may stand several times each value has a key (an input's name, a variable's name,
a bind's target): a higher layer's value takes the place of a lower one with the same key.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from jobwrap.failures import JobwrapError
from jobwrap.job.options import BY_NAME, Layer
from jobwrap.job.spec import Input, Job
from jobwrap.settings import Settings

# What a value is known by, among the values of its option.
_KEYS: dict[str, str] = {"input": "name", "output": "name", "bind": "target"}


def merge(
    layers: list[Layer],
    command: tuple[str, ...],
    environ: Mapping[str, str],
    ids: tuple[tuple[str, str], ...] = (),
) -> Job:
    """The Job that the layers, highest first, ask for.

    Variables that were named without a value get the caller's, out of `environ`.
    """
    layer = _overlay(layers)
    fields: dict[str, Any] = {
        name.replace("-", "_"): value
        for name, value in layer.items()
        if not BY_NAME[name].many and name.replace("-", "_") in Job._fields
    }
    unpacked = set(layer.get("unpack", ()))
    inputs = [
        each._replace(unpack=True) if each.name in unpacked else each for each in layer.get("input", ())
    ]
    for name in unpacked.difference(each.name for each in inputs):
        raise JobwrapError("job.usage", problem=f"--unpack {name} names no input")
    fields["scratch"] = _scratch(fields.get("scratch", ""), environ)
    fields["record"], *copies = _records(layer.get("record", ()))
    return Job(
        **fields,
        copies=tuple(copies),
        command=command,
        inputs=tuple(inputs),
        outputs=tuple(layer.get("output", ())),
        binds=tuple(layer.get("bind", ())),
        env=tuple((name, _value(name, value, environ)) for name, value in layer.get("env", ())),
        credentials=tuple(dict.fromkeys(layer.get("credential", ()))),
        ids=ids,
    )


def apply_policy(job: Job, settings: Settings) -> Job:
    """The job as the site allows it; JobwrapError policy.forbidden where it can't be made to fit.

    What of the node it may see is judged by where the paths lead: launch/mounts.py.
    """
    if job.here and not settings.here:
        raise JobwrapError("policy.forbidden", what="--here", rule="policy.here")
    if settings.network == "none":
        job = job._replace(network="none")
    if settings.time is not None and (job.time is None or job.time > settings.time):
        job = job._replace(time=settings.time)
    if settings.schemes is not None:
        job = job._replace(inputs=tuple(_as_allowed(each, settings.schemes) for each in job.inputs))
        for place in (*(each.url for each in job.outputs), *(each for each in job.copies if "://" in each)):
            if place:
                _must_be_allowed(place, settings.schemes)
    return job


def _as_allowed(each: Input, schemes: tuple[str, ...]) -> Input:
    """Of several places only the paths are taken away here: a URL is left out when its turn comes."""
    if not any(_scheme(place) in schemes for place in each.places):
        _must_be_allowed(each.places[0], schemes)
    if "file" in schemes:
        return each
    return each._replace(places=tuple(place for place in each.places if _scheme(place) != "file"))


def _must_be_allowed(place: str, schemes: tuple[str, ...]) -> None:
    if _scheme(place) not in schemes:
        what = f"the URL scheme {_scheme(place)}:"
        raise JobwrapError("policy.forbidden", what=what, rule="policy.schemes")


def _scheme(place: str) -> str:
    """That of name+https: is https, and that of a path file."""
    scheme, colon, _ = place.partition("/")[0].partition(":")
    return scheme.rpartition("+")[2].lower() if colon else "file"


def _overlay(layers: list[Layer]) -> Layer:
    merged: Layer = {}
    for layer in layers:
        for name, value in layer.items():
            if not BY_NAME[name].many:
                merged.setdefault(name, value)
                continue
            taken = {_key(name, each) for each in merged.get(name, ())}
            added = [each for each in value if _key(name, each) not in taken]
            merged.setdefault(name, []).extend(_join(added) if name == "input" else _last(name, added))
    return merged


def _key(name: str, value: Any) -> Any:
    if name == "env":
        return value[0]
    return getattr(value, _KEYS[name]) if name in _KEYS else value


def _last(name: str, values: list[Any]) -> list[Any]:
    return list({_key(name, each): each for each in values}.values())


def _join(inputs: list[Input]) -> list[Input]:
    """The same name again in one layer is one more place to fetch it from."""
    joined: dict[str, Input] = {}
    for each in inputs:
        earlier = joined.get(each.name)
        if earlier is None:
            joined[each.name] = each
            continue
        if earlier.checksum and each.checksum and earlier.checksum != each.checksum:
            raise JobwrapError("job.usage", problem=f"input {each.name} has two different checksums")
        joined[each.name] = earlier._replace(
            places=earlier.places + each.places, checksum=earlier.checksum or each.checksum
        )
    return list(joined.values())


def _value(name: str, value: str | None, environ: Mapping[str, str]) -> str:
    if value is not None:
        return value
    if name not in environ:
        raise JobwrapError(
            "job.usage", problem=f"--env {name} has no value, and the caller has no such variable"
        )
    return environ[name]


def _records(places: Iterable[str]) -> list[str]:
    """The record's own file first ("" for the usual one), then whatever else gets it."""
    elsewhere = [place for place in places if place == "-" or "://" in place]
    files = [os.path.abspath(place) for place in places if place not in elsewhere]
    return [*(files or [""]), *elsewhere]


def _scratch(asked: str, environ: Mapping[str, str]) -> str:
    try:
        standing = os.getcwd()
    except OSError:
        place = environ.get("PWD", ".")
        raise JobwrapError(
            "site.scratch", path=place, problem="it has gone, and jobwrap stands in it"
        ) from None
    if asked:
        return os.path.abspath(asked)
    given = environ.get("_CONDOR_SCRATCH_DIR", "")
    if os.path.isabs(given):
        return os.path.realpath(given)
    here = os.path.realpath(standing)
    # A run leaves files behind in scratch, and the task may change whatever it finds there.
    if here in ("/", os.path.realpath(os.path.expanduser("~"))):
        raise JobwrapError("site.scratch", path=here, problem="it is not a folder to run jobs in")
    return here

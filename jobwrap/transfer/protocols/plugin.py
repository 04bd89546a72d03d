"""Every other scheme for which the node has an HTCondor file-transfer plugin.

Protocol: HTCondor manual, "Custom file transfer plugins", versions 2 and 4: a plugin says what it can do
for -classad; given -infile and -outfile it transfers what the one lists and tells in the other how it went.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence

from jobwrap.job.classad import format_value, parse_value
from jobwrap.letters import scheme_of
from jobwrap.transfer.attempt import Attempt
from jobwrap.transfer.program import run
from jobwrap.transfer.sink import Sink
from jobwrap.transfer.source import Source
from jobwrap.transfer.trouble import DENIED, NOT_FOUND, SCHEME, UNREACHABLE, Passing, Trouble

_CLASSAD_SECONDS = 20.0  # HTCondor's FILETRANSFER_PLUGIN_CLASSAD_TIMEOUT
_NAME = re.compile(r"_plugin(\.\w+)?$")
_KINDS = {
    "Authorization": DENIED,
    "Resolution": NOT_FOUND,
    "Parameter": NOT_FOUND,
    "Specification": NOT_FOUND,
}

_methods: dict[str, str] | None = None
_lock = threading.Lock()


def get(place: str, sink: Sink, attempt: Attempt) -> None:
    target = sink.part + ".got"
    try:
        _transfer(place, target, attempt)
        sink.adopt(target)
    finally:
        if os.path.lexists(target):
            os.unlink(target)


def probe(place: str, attempt: Attempt) -> None:
    """Only whether there is a plugin: they cannot be asked for less than the file."""
    _plugin(place, attempt)


def put(source: Source, place: str, attempt: Attempt) -> None:
    _transfer(place, _path_of(source), attempt, "-upload")


def serves(place: str, attempt: Attempt) -> None:
    """Trouble where no plugin here does."""
    _plugin(place, attempt)


def _path_of(source: Source) -> str:
    """Plugins follow no link, which /proc/self/fd is: they get the path, if it is still the file's."""
    path = os.readlink(f"/proc/self/fd/{source.file}")
    if not os.path.exists(path) or not os.path.samestat(os.lstat(path), os.fstat(source.file)):
        raise Trouble(NOT_FOUND, "the file is no longer where it was opened")
    return path


def _transfer(place: str, path: str, attempt: Attempt, *more: str) -> None:
    plugin = _plugin(place, attempt)
    attempt.within(attempt.options.deadline, f"{os.path.basename(plugin)}'s transfer")
    with tempfile.TemporaryDirectory(prefix="jobwrap-") as folder:
        ask, told = os.path.join(folder, "in"), os.path.join(folder, "out")
        with open(ask, "w", encoding="utf-8") as file:
            file.write(f"[ LocalFileName = {format_value(path)}; Url = {format_value(place)} ]\n")
        with open(told, "w"):
            pass  # HTCondor makes it beforehand, and plugins may rely on that
        ran = run([plugin, "-infile", ask, "-outfile", told, *more], attempt)
        with open(told, encoding="utf-8", errors="replace") as file:
            answer = file.read(1 << 20)
    result = parse_value(answer.strip("\0 \r\n"), new=True)
    if ran.code or not isinstance(result, dict) or result.get("transfersuccess") is not True:
        raise _trouble(result if isinstance(result, dict) else {}, ran.code, attempt)


def _trouble(result: Mapping[str, object], code: int, attempt: Attempt) -> Trouble:
    """What the plugin tells of its failure; version 4 says whether another try may help."""
    said = result.get("transfererror")
    why = said if isinstance(said, str) else f"its plugin ended with {code}"
    data = result.get("transfererrordata")
    errors = [one for one in data if isinstance(one, dict)] if isinstance(data, list) else []
    if errors and not any(one.get("retryable") for one in errors):
        return Trouble(_KINDS.get(str(errors[-1].get("errortype")), UNREACHABLE), why)
    return Passing(attempt.reason(OSError(why)))


def _plugin(place: str, attempt: Attempt) -> str:
    """The plugin's path; Trouble where the node has none for this scheme."""
    global _methods  # noqa: PLW0603  # asked once in the life of this process
    scheme = scheme_of(place)
    with _lock:
        if _methods is None:
            _methods = _ask_all(attempt)
    if scheme not in _methods:
        raise Trouble(SCHEME, f"neither jobwrap nor a plugin of this node knows {scheme}:")
    return _methods[scheme]


def _ask_all(attempt: Attempt) -> dict[str, str]:
    """Scheme: path; the first plugin that knows a scheme serves it."""
    found: dict[str, str] = {}
    for path in _programs(attempt.options.plugins) or _configured(attempt):
        attempt.within(_CLASSAD_SECONDS, f"{path} -classad")
        try:
            said = run([path, "-classad"], attempt).out
        except OSError:
            continue
        for name, _, value in (line.partition("=") for line in said.splitlines()):
            if name.strip().lower() == "supportedmethods":
                methods = parse_value(value.strip())
                for method in str(methods).lower().split(","):
                    found.setdefault(method.strip(), path)
    return found


def _programs(places: Sequence[str]) -> list[str]:
    """The plugins that a site names: paths, or folders, where a name tells them from other programs."""
    found: list[str] = []
    for place in places:
        names = sorted(os.listdir(place)) if os.path.isdir(place) else []
        found += [os.path.join(place, name) for name in names if _NAME.search(name)] or [place]
    return [path for path in found if os.path.isfile(path) and os.access(path, os.X_OK)]


def _configured(attempt: Attempt) -> list[str]:
    """Those of the node's HTCondor."""
    asker = shutil.which("condor_config_val")
    if not asker:
        return []
    attempt.within(_CLASSAD_SECONDS, "condor_config_val")
    ran = run([asker, "FILETRANSFER_PLUGINS"], attempt)
    return (
        [path.strip() for path in ran.out.split(",") if path.strip().startswith("/")] if not ran.code else []
    )

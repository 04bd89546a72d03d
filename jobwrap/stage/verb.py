"""jobwrap stage: the staging of a run by itself, for who starts the task some other way."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from jobwrap.diagnose import failed
from jobwrap.failures import JobwrapError
from jobwrap.job.htcondor import read_ad
from jobwrap.job.merge import apply_policy, merge
from jobwrap.job.options import BY_NAME, Layer, parse_words
from jobwrap.job.spec import Job
from jobwrap.node.cvmfs import cvmfs_mount
from jobwrap.node.slot import find_slot
from jobwrap.record.exitrecord import failure_of, without_secrets
from jobwrap.record.redact import secrets_of
from jobwrap.settings import Settings, read_settings
from jobwrap.signals import Signals
from jobwrap.stage.inputs import fetch_inputs, probe_inputs, room_left
from jobwrap.stage.outputs import Delivered, StageOut
from jobwrap.stage.places import put_links
from jobwrap.stage.plan import plan_staging
from jobwrap.transfer.credentials import identities
from jobwrap.transfer.fetch import Came, Fetched
from jobwrap.transfer.options import options_of
from jobwrap.transfer.progress import ProgressLine, progress_line

_HELP = """usage: jobwrap stage [--site FILE] in  [OPTION …] [NAME=]PLACE[#ALG:HEX] …
       jobwrap stage [--site FILE] out [OPTION …] NAME=URL …

  in   brings inputs into a folder, as a run does: a path of the node becomes a link, the rest is fetched;
       the same NAME again is one more place for it
  out  delivers files, folders and globs of the folder

  --scratch FOLDER  the folder (_CONDOR_SCRATCH_DIR, else here)
  --unpack NAME     extract this input into a folder of its name
  --disk SIZE       room that there is for inputs, as 500M, 4G
  --progress        show how far it is, on stderr
  --json            print one JSON object: what was transferred, and how it ended
  --dry-run         ask whether it could be done, and transfer nothing
"""
_OPTIONS = ("scratch", "unpack", "disk", "progress", "json", "dry-run")
_VERBS = {"in": "input", "out": "output"}


def main(arguments: list[str]) -> int:
    """The exit code: 0, or the failure's own."""
    if "--help" in arguments or not arguments:
        print(_HELP, end="")
        return 0 if arguments else 64
    Signals()  # the first that ends us is raised, and whatever is under way then cleans up
    stage: Stage | None = None
    error: JobwrapError | None = None
    try:
        stage = read_words(arguments, os.environ)
        stage.walk()
    except JobwrapError as raised:
        error = raised
        print(f"jobwrap: {error.sentence}", file=sys.stderr)
    if stage:
        stage.tell(error)
    return failed(error).code if error else 0


def read_words(arguments: list[str], environ: Mapping[str, str]) -> Stage:
    """What is asked for; JobwrapError job.usage, site.settings or policy.forbidden."""
    site = ""
    if arguments[0] == "--site" and len(arguments) > 1:
        site, arguments = arguments[1], arguments[2:]
    settings = read_settings(site)
    verb, *words = arguments or [""]
    try:
        if verb not in _VERBS:
            raise ValueError(f"jobwrap stage does {' and '.join(_VERBS)}")
        call, _ = parse_words(_as_options(words, f"--{_VERBS[verb]}"))
        if not call.get(_VERBS[verb]):
            raise ValueError(f"jobwrap stage {verb} needs something to transfer")
        for output in call.get("output", ()):
            if not output.url:
                raise ValueError(f"output {output.name} needs a URL: {output.name}=URL")
    except ValueError as error:
        raise JobwrapError("job.usage", problem=str(error)) from error
    # Without a container nothing of the cache is bound: another's copy could be changed.
    job = apply_policy(merge([call], (), environ)._replace(here=True), settings._replace(here=True))
    return Stage(job, call, settings, environ)


def _as_options(words: list[str], option: str) -> list[str]:
    """The words as parse_words() knows them: what stands for itself is an input, or an output."""
    found: list[str] = []
    left = iter(words)
    for word in left:
        name, equals, _ = word[2:].partition("=")
        if not word.startswith("-"):
            found += [option, word]
            continue
        if not word.startswith("--") or name not in _OPTIONS:
            raise ValueError(f"jobwrap stage has no option {word}")
        found.append(word)
        if BY_NAME[name].metavar and not equals:
            found += [value for value in [next(left, None)] if value is not None]
    return found


class Stage:
    """One call; what came and went is in `came`, `linked` and `gone`, also after a failure."""

    def __init__(self, job: Job, call: Layer, settings: Settings, environ: Mapping[str, str]) -> None:
        self._job, self._call, self._settings, self._environ = job, call, settings, environ
        self._secrets = secrets_of(environ, job)
        self._options = options_of(settings, environ)
        self.came = Came()
        self.linked: list[dict[str, Any]] = []
        self.gone: list[Delivered] = []

    def walk(self) -> None:
        """JobwrapError input.*, output.*, policy.* or site.*."""
        if not os.path.isdir(self._job.scratch):
            raise JobwrapError("site.scratch", path=self._job.scratch, problem="there is no such folder")
        line = progress_line(
            "stage-in" if self._job.inputs else "stage-out",
            self._call,
            lambda text: print(f"jobwrap: {text}", file=sys.stderr, flush=True),
        )
        try:
            self._bring(line) if self._job.inputs else self._deliver(line)
        finally:
            if line:
                line.end()

    def _bring(self, line: ProgressLine | None) -> None:
        cvmfs = self._settings.cvmfs or cvmfs_mount(self._environ)
        staging = plan_staging(self._job, cvmfs, self._settings, self._environ)
        if self._call.get("dry-run"):
            self._say(staging.reasons)
            probe_inputs(staging, self._options)
            return
        self.linked = [{"name": each.name, "source": each.source} for each in staging.bound]
        put_links(self._job.scratch, staging.bound)
        if staging.wanted:
            slot = find_slot(read_ad("_CONDOR_MACHINE_AD", self._environ), self._job.scratch)
            options = self._options._replace(room=room_left(self._job, slot))
            fetch_inputs(staging, self._job.scratch, options, self.came, line)

    def _deliver(self, line: ProgressLine | None) -> None:
        outputs = self._job.outputs
        if self._call.get("dry-run"):
            outputs = tuple(output._replace(url="") for output in outputs)
        leaving = StageOut(outputs, self._job.scratch, identities(self._environ))
        try:
            leaving.deliver(self._options, line)
        finally:
            self.gone = leaving.delivered

    def tell(self, error: JobwrapError | None) -> None:
        """What was done, a line a file, or as one JSON object in the form of an exit record's parts."""
        if self._call.get("json"):
            told = {
                "scratch": self._job.scratch,
                "linked": self.linked,
                "transfers": [each._asdict() for each in self.came],
                "outputs": [{**each._asdict(), "url": without_secrets(each.url)} for each in self.gone],
                "end": {"code": failed(error).code if error else 0}
                | (failure_of(error) if error else {"failure": None}),
            }
            print(json.dumps(self._secrets.cleaned(told), indent=1))
            return
        self._say(f"{each['name']}: a link to {each['source']}" for each in self.linked)
        self._say(f"{each.name}: {each.bytes} bytes from {_source(each)}" for each in self.came)
        self._say(f"{each.name}: {each.bytes} bytes{_target(each)}" for each in self.gone)

    def _say(self, lines: Any) -> None:
        if not self._call.get("json"):
            for line in lines:
                print(self._secrets.clean(line))


def _source(came: Fetched) -> str:
    where = "the node's cache" if came.cache == "hit" else came.source
    return f"{where} in {came.seconds:.1f} s"


def _target(gone: Delivered) -> str:
    return f" to {without_secrets(gone.url)} in {gone.seconds:.1f} s" if gone.url else ""

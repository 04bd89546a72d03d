"""jobwrap --dry-run: the plan that a run would execute, with its reasons; nothing is written or started."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from jobwrap.asked import Asked
from jobwrap.failures import JobwrapError
from jobwrap.look_around import look_around
from jobwrap.record.redact import secrets_of


def dry_run(asked: Asked, environ: Mapping[str, str]) -> None:
    """Prints the plan; JobwrapError where the job could not run, an input that is not there included."""
    _check_scratch(asked.job.scratch)
    node, choice = look_around(asked.job, asked.settings, environ, asked.machine_ad)
    with choice:
        from jobwrap.plan import judge_image, make_plan
        from jobwrap.told import as_record, for_people

        plan = judge_image(make_plan(asked.job, asked.settings, node, choice, environ), choice)
    secrets = secrets_of(environ, asked.job)
    if asked.call.get("json"):
        print(json.dumps(secrets.cleaned(as_record(plan)), indent=1))
    else:
        print(secrets.clean("\n".join(for_people(plan))))
    if plan.staging.wanted or asked.job.outputs:
        from jobwrap.stage.deliverable import check_deliverable
        from jobwrap.stage.inputs import probe_inputs
        from jobwrap.transfer.options import options_of

        options = options_of(asked.settings, environ)
        check_deliverable(asked.job.outputs, options)
        probe_inputs(plan.staging, options)


def _check_scratch(scratch: str) -> None:
    if not os.path.isdir(scratch):
        raise JobwrapError("site.scratch", path=scratch, problem="there is no such folder")
    if not os.access(scratch, os.W_OK | os.X_OK):
        raise JobwrapError("site.scratch", path=scratch, problem="it may not be written")

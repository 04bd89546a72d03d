"""Whether the outputs can go where they should, asked before the task runs for hours."""

from __future__ import annotations

from collections.abc import Sequence

from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Output
from jobwrap.letters import scheme_of
from jobwrap.transfer.options import Options
from jobwrap.transfer.schemes import DELIVERED, PLUGIN, READ_ONLY, is_allowed, server_of
from jobwrap.transfer.url import redact


def check_deliverable(outputs: Sequence[Output], options: Options) -> None:
    """JobwrapError output.scheme for a URL that nobody here delivers to, policy.forbidden by policy.schemes.

    Whether a server takes them is known only when they are sent.
    """
    away = [output for output in outputs if output.url]
    for output in away:
        if not is_allowed(output.url, options.schemes):
            what = f"to deliver {output.name} to {redact(output.url)}"
            raise JobwrapError("policy.forbidden", what=what, rule="policy.schemes")
        if server_of(output.url) == READ_ONLY:
            scheme = scheme_of(output.url)
            raise JobwrapError("output.scheme", name=output.name, scheme=scheme, known=DELIVERED)
    others = [(output.name, output.url) for output in away if server_of(output.url) == PLUGIN]
    if others:
        from jobwrap.transfer.deliver import Asking

        Asking(others, options).wait()

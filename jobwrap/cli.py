"""Words on the command line: which verb, and what is left for it. No verb means run."""

from __future__ import annotations

import sys

from jobwrap import __version__

# Verb: the module whose main(arguments) walks it, and its line in --help.
VERBS = {
    "run": ("jobwrap.run", "run a task; the same without any verb"),
    "node": ("jobwrap.node.verb", "what this node is and can do"),
    "image": ("jobwrap.image.verb", "what images there are, and whether they run here"),
    "stage": ("jobwrap.stage.verb", "in, out: bring inputs, deliver outputs, and run nothing"),
    "cache": ("jobwrap.transfer.verb", "the node's cache: list, check, prune"),
    "record": ("jobwrap.record.verb", "an exit record: show, validate, diff, finish, crate"),
    "explain": ("jobwrap.explain", "a failure, by its name or out of an exit record"),
}
_USAGE = """usage: jobwrap [options] -- COMMAND ARG…
       jobwrap VERB …   (jobwrap VERB --help)
"""


def main(arguments: list[str] | None = None) -> int:
    """jobwrap's exit code for these words (sys.argv's without any)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    verb = "run"
    if arguments and arguments[0] in VERBS:
        verb, arguments = arguments[0], arguments[1:]
    if verb == "run":
        before = arguments[: arguments.index("--")] if "--" in arguments else arguments
        if "--help" in before or not arguments:
            print(_help(), end="")
            return 0 if arguments else 64
        if "--version" in before:
            print(f"jobwrap {__version__}")
            return 0
        from jobwrap.run import main as walk

        return walk(arguments)
    from importlib import import_module

    code: int = import_module(VERBS[verb][0]).main(arguments)
    return code


def _help() -> str:
    from jobwrap.job.options import help_lines

    verbs = [f"  {name:<8}{line}" for name, (_, line) in VERBS.items()]
    return "\n".join([_USAGE, *help_lines(), "", "verbs:", *verbs, ""])

"""jobwrap explain: a failure by its name, by a prefix of it, or out of an exit record, for a person."""

from __future__ import annotations

import json
import sys
from typing import Any

from jobwrap import failures
from jobwrap.failures import FAILURES, Failure

_WHO = {
    failures.USER: "you, who submitted the job",
    failures.SITE: "the site's admin",
    failures.DATA: "whoever runs the data's server",
    failures.IMAGE: "whoever keeps the image",
    failures.BATCH: "the batch system; nobody, if it starts the job again",
    failures.JOBWRAP: "jobwrap's developers",
}
_ADVICE = {
    failures.HERE: "the same node serves again",
    failures.ELSEWHERE: "on another node",
    failures.LATER: "later, anywhere",
    failures.NEVER: "not before something was changed",
}
_ACTION = {
    failures.REQUEUE: "start the job again",
    failures.HOLD: "hold the job until somebody changed something",
    failures.LEAVE: "let the job go, as after any task",
}


def main(arguments: list[str]) -> int:
    """explain NAME | PREFIX | RECORD | --markdown; 0, or 64 for a word that is none of these."""
    word = arguments[0] if len(arguments) == 1 else "--help"
    if word == "--help":
        print("usage: jobwrap explain NAME | PREFIX | RECORD.json | --markdown")
        return 0 if arguments else 64
    if word == "--markdown":
        print(markdown(), end="")
        return 0
    found = [FAILURES[name] for name in FAILURES if name == word or name.startswith(word.rstrip(".") + ".")]
    if found:
        print("\n\n".join(map(_explained, found)))
        return 0
    try:
        with open(word, encoding="utf-8") as file:
            print(_of_record(json.load(file)))
        return 0
    except OSError as error:
        problem = error.strerror
    except (ValueError, LookupError, TypeError) as error:
        problem = str(error)
    print(f"jobwrap: {word} is neither a failure's name nor an exit record ({problem})", file=sys.stderr)
    return 64


def _explained(failure: Failure) -> str:
    code = "the task's own, if it had begun" if failure.code is None else failure.code
    return (
        f"{failure.name}\n  {failure.sentence}\n  exit code   {code}\n"
        f"  who acts    {_WHO[failure.who]}\n  try again   {_ADVICE[failure.advice]}\n"
        f"  HTCondor    should {_ACTION[failure.action]}"
    )


def _of_record(record: dict[str, Any]) -> str:
    if record["state"] != "finished":
        return f"jobwrap was ended without its last word, in the phase {record['phase']}"
    end = record["end"]
    if end["failure"] is None:
        return "all went well"
    code = "which nobody saw" if end["code"] is None else f"{end['code']}, {end['of']}'s own"
    lines = [f"{end['failure']} (exit code {code})", f"  {end['sentence']}"]
    lines += [f"  because     {evidence}" for evidence in end["evidence"]]
    lines += [f"  a guess     {end['guess']['sentence']}"] if end.get("guess") else []
    lines += [f"  who acts    {_WHO[end['who']]}", f"  try again   {_ADVICE[end['advice']]}"]
    return "\n".join([*lines, f"  HTCondor    should {_ACTION[end['action']]}"])


def markdown() -> str:
    """docs/failures.md."""
    lines = [
        "# Every failure",
        "",
        "Made from `jobwrap/failures.py` by `jobwrap explain --markdown`. Names are stable and can be",
        "matched by prefix. `-` as exit code: the task's own passes through. With `--infra-exit-code CODE`",
        "whatever is not the user's to repair ends with CODE instead. Under `HTCondor`: what it should do",
        "with the job; [htcondor.md](htcondor.md) has the lines for a submit file.",
        "",
        "| name | exit code | who acts | try again | HTCondor | what happened, and what to do |",
        "|---|---|---|---|---|---|",
    ]
    for each in FAILURES.values():
        code = "-" if each.code is None else each.code
        sentence = each.sentence.replace("|", "\\|")
        lines.append(f"| `{each.name}` | {code} | {each.who} | {each.advice} | {each.action} | {sentence} |")
    return "\n".join(lines) + "\n"

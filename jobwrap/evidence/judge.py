"""The cause of a failure: certain where something counted it, a guess where it only looks like it."""

from __future__ import annotations

import errno
import signal

from jobwrap.diagnose import Ending, Guess
from jobwrap.evidence import program, words
from jobwrap.evidence.signals import KNOWN, of_signal
from jobwrap.evidence.weigh import Scene
from jobwrap.failures import NEVER, USER, JobwrapError
from jobwrap.node.table import size
from jobwrap.signals import signal_name

_SHELL = 128  # what a shell adds to the number of the signal that ended its child
_NOT_FOUND = 127  # a shell's exit code for a command that it did not find
_SHELLS = (2, 126, _NOT_FOUND)  # its exit codes for a script that it cannot read


def judge(ending: Ending, scene: Scene) -> Ending:
    """The ending, with the name of its cause where that is certain, else with a guess where there is one."""
    name = ending.error.failure.name if ending.error else ""
    if name == "task.not_found":
        return _not_found(ending, scene)
    if name == "task.not_executable":
        return _not_executable(ending, scene)
    if name not in ("task.failed", "task.killed"):
        return ending  # who or what ended it is known
    number = ending.signal or _of_a_child(ending.code)
    if number == signal.SIGKILL and scene.usage.get("oom_kills"):
        return ending._replace(error=_out_of_memory(scene))
    if number and not ending.signal:
        ending = _with(
            ending, [f"{ending.code} is what a shell gives for a child that {signal_name(number)} ended"]
        )
    return _by_script(ending, scene) or _by_words(ending, scene) or _by_signal(ending, scene, number)


def _not_found(ending: Ending, scene: Scene) -> Ending:
    command = scene.plan.job.command[0]
    near = program.look(scene, command, ()).get("near")
    return ending._replace(
        error=JobwrapError("task.not_found", command=command, where=scene.where, near=_there_is(near))
    )


def _not_executable(ending: Ending, scene: Scene) -> Ending:
    command = scene.plan.job.command[0]
    seen = program.look(scene, command, (command,))
    number = ending.error.facts.get("number") if ending.error else None
    problem = _problem(number, seen, scene)
    if not problem:
        return ending
    return ending._replace(error=JobwrapError("task.not_executable", command=command, problem=problem))


def _problem(number: object, seen: dict[str, object], scene: Scene) -> str:
    interpreter, machine = seen.get("interpreter"), seen.get("machine")
    if seen.get("windows"):
        return "its lines end in CR LF, as Windows writes them"
    if machine and machine != scene.plan.node.machine:
        return f"it is a program for {machine}, and this node is {scene.plan.node.machine}"
    if number == errno.ENOENT and interpreter and not seen.get("there"):
        return f"{interpreter}, which is to run it, is not in {scene.where}"
    mode = seen.get("mode")
    if number == errno.EACCES and isinstance(mode, int) and not mode & 0o111:
        return f"its mode is {mode:04o}, which lets nobody execute it"
    return ""


def _by_script(ending: Ending, scene: Scene) -> Ending | None:
    """A script among the words of the command whose lines a shell cannot read."""
    if ending.code not in _SHELLS:
        return None
    windows = program.look(scene, scene.plan.job.command[0], scene.plan.job.command[1:]).get("windows")
    if not windows:
        return None
    sentence = f"{windows[0]} has lines that end in CR LF, as Windows writes them; make it LF (dos2unix)"
    return ending._replace(guess=Guess(sentence, USER, NEVER))


def _by_words(ending: Ending, scene: Scene) -> Ending | None:
    told = words.of_words(scene)
    if told:
        return _with(ending, [f"it wrote: {told[1]}"], told[0])
    missing = words.missing_command(scene) if ending.code == _NOT_FOUND else None
    if missing is None:
        return None
    command, line = missing
    near = _there_is(program.look(scene, command, ()).get("near"))
    guess = Guess(f"the command {command} is not in {scene.where}{near}; check its name", USER, NEVER)
    return _with(ending, [f"it wrote: {line}"], guess)


def _by_signal(ending: Ending, scene: Scene, number: int) -> Ending:
    told = of_signal(number, scene) if number else None
    return _with(ending, told[1], told[0]) if told else ending


def _of_a_child(code: int) -> int:
    """The signal that ended a shell's child, 0 where the code does not say so."""
    return code - _SHELL if code - _SHELL in KNOWN else 0


def _out_of_memory(scene: Scene) -> JobwrapError:
    used, granted = scene.usage.get("peak_memory"), scene.plan.node.slot.memory or scene.plan.job.memory
    return JobwrapError(
        "limit.memory", used=size(used) or "more than there was", granted=size(granted) or "less"
    )


def _with(ending: Ending, evidence: list[str], guess: Guess | None = None) -> Ending:
    return ending._replace(evidence=(*ending.evidence, *evidence), guess=guess or ending.guess)


def _there_is(near: list[str] | None) -> str:
    return f" (there is {', '.join(near)})" if near else ""

"""What a signal that ended a task may mean on this node."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable

from jobwrap.diagnose import Guess
from jobwrap.evidence.weigh import Scene
from jobwrap.failures import BATCH, ELSEWHERE, HERE, NEVER, SITE, USER
from jobwrap.node.cpu import LEVELS, Cpu
from jobwrap.node.table import size

Told = tuple[Guess, list[str]]
_MOST = 0.9  # of the memory granted: from here on it may have been too much


def of_signal(number: int, scene: Scene) -> Told | None:
    """The guess for a signal and its evidence, None where the number tells all there is to say."""
    if number in _LOOKED_AT:
        return _LOOKED_AT[number](scene)
    if number in _TABLE:
        sentence, who, advice = _TABLE[number]
        return Guess(sentence, who, advice), []
    return None


# What needs no look at the node.
_TABLE: dict[int, tuple[str, str, str]] = {
    signal.SIGABRT: (
        "the program ended itself: an assertion, a C++ exception that nobody caught or a damaged heap",
        USER,
        NEVER,
    ),
    signal.SIGFPE: ("the program divided a whole number by zero", USER, NEVER),
    signal.SIGPIPE: ("the program wrote into a pipe whose reader had ended already", USER, NEVER),
    signal.SIGSYS: ("the program made a system call that is forbidden here", SITE, ELSEWHERE),
    signal.SIGTRAP: ("the program ran into a trap of its compiler, or a debugger was wanted", USER, NEVER),
}


def _illegal_instruction(scene: Scene) -> Told:
    node, image = scene.plan.node, scene.plan.image
    cpu = node.cpu.level or node.machine
    facts = [f"this CPU has {cpu} ({node.cpu.model or node.cpu.vendor or 'model unknown'})"]
    facts += _lacking(node.cpu)
    asked = [need for need in image.needs.rows if need.what == "level"] if image else []
    facts += [f"{need.source} asks for {need.value}" for need in asked]
    program = image.program if image else ""
    if program and not any(program in need.source for need in asked):
        facts.append(f"{program} itself does not say what it asks for")
    is_old = node.cpu.level in LEVELS[:-1]
    sentence = "the program has instructions that this CPU lacks"
    if is_old:
        return Guess(f"{sentence}; run on a newer node, or use a build for {cpu}", USER, ELSEWHERE), facts
    return Guess(f"{sentence}, or ran into a compiler's trap; see what it was built for", USER, NEVER), facts


def _lacking(cpu: Cpu) -> list[str]:
    """Each level that the CPU does not have, with what it lacks for that, which a lower one does not want."""
    facts: list[str] = []
    told: set[str] = set()
    for level in LEVELS[LEVELS.index(cpu.level) + 1 :] if cpu.level in LEVELS else ():
        lacks = [feature for feature in cpu.lacks(level) if feature not in told]
        told.update(lacks)
        facts.append(f"it lacks {level}: {', '.join(lacks)}" if lacks else f"it lacks {level}")
    return facts


def _killed(scene: Scene) -> Told | None:
    used, granted = scene.usage.get("peak_memory"), scene.plan.node.slot.memory or scene.plan.job.memory
    facts = [f"it used up to {size(used)} of memory"] if used else []
    if granted:
        facts.append(f"{size(granted)} of memory were granted")
    if scene.killed:
        facts.append(f"the kernel ended {scene.killed} processes on this node for want of memory meanwhile")
    if scene.killed or (used and granted and used >= _MOST * granted):
        return Guess("the kernel ended the task for want of memory; ask for more", USER, ELSEWHERE), facts
    sentence = "somebody from outside of the job killed the task: the batch system, or an admin"
    return Guess(sentence, BATCH, HERE), facts


def _bus_error(scene: Scene) -> Told:
    if scene.free and 0 in (scene.free[0] >> 20, scene.free[1]):
        sentence = "a file that the program had mapped could not grow, as the disk is full; ask for more disk"
        return Guess(sentence, USER, ELSEWHERE), []
    mapped = "an image file" if scene.plan.image and scene.plan.image.kind == "sif" else "a file"
    sentence = (
        f"a page of {mapped} that the program had mapped could not be read: cut short, or its disk is sick"
    )
    return Guess(sentence, SITE, ELSEWHERE), []


def _segmentation_fault(_scene: Scene) -> Told:
    limit = resource.getrlimit(resource.RLIMIT_STACK)[0]
    sentence = "a defect of the program: it touched memory that is not its own"
    if limit == resource.RLIM_INFINITY:
        return Guess(sentence, USER, NEVER), ["its stack has no limit"]
    sentence += ", or its stack was too small for a deep recursion or large local arrays"
    return Guess(sentence, USER, NEVER), [f"its stack is limited to {size(limit)} (ulimit -s)"]


def _cpu_time(_scene: Scene) -> Told:
    limit = resource.getrlimit(resource.RLIMIT_CPU)[0]
    sentence = "the task used more CPU time than a process may use here; ask the site"
    return Guess(sentence, SITE, ELSEWHERE), [f"CPU time is limited to {limit} s for a process (ulimit -t)"]


def _file_size(_scene: Scene) -> Told:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    sentence = "the task wrote a file larger than files may be here; ask the site"
    return Guess(sentence, SITE, ELSEWHERE), [f"a file is limited to {size(limit)} (ulimit -f)"]


_LOOKED_AT: dict[int, Callable[[Scene], Told | None]] = {
    signal.SIGILL: _illegal_instruction,
    signal.SIGKILL: _killed,
    signal.SIGBUS: _bus_error,
    signal.SIGSEGV: _segmentation_fault,
    signal.SIGXCPU: _cpu_time,
    signal.SIGXFSZ: _file_size,
}
KNOWN = {*_TABLE, *_LOOKED_AT}

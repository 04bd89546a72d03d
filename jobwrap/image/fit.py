"""Whether a node has what an image needs: one judge for each kind of need."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.image import needs as kinds
from jobwrap.image.needs import Need, version_key
from jobwrap.node.cpu import LEVELS, normalise_level
from jobwrap.node.nvidia import cuda_of
from jobwrap.node.survey import Node

_CONDITION = r"(\w+)(>=|<=|!=|=|<|>)([\w.-]+)"
_COMPARE: dict[str, Callable[[tuple[int, ...], tuple[int, ...]], bool]] = {
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    "!=": lambda a, b: a != b,
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
}
_LONGEST = 6  # features named in a sentence


class Verdict(NamedTuple):
    """A need, what the node has of it, and whether that is enough; None where nobody can tell."""

    need: Need
    has: str
    fits: bool | None


def judge(rows: Iterable[Need], node: Node) -> tuple[Verdict, ...]:
    """A verdict on each need."""
    return tuple(Verdict(row, *_JUDGES[row.what](row.value, node)) for row in rows)


def failing(verdicts: Iterable[Verdict]) -> Verdict | None:
    """The first need that the node certainly does not meet; architecture and CPU come first."""
    order = (kinds.MACHINE, kinds.LEVEL, kinds.KERNEL, kinds.GPU, kinds.CUDA)
    failed = [verdict for verdict in verdicts if verdict.fits is False]
    return min(failed, key=lambda verdict: order.index(verdict.need.what)) if failed else None


def refusal(image: str, verdict: Verdict) -> JobwrapError:
    """The failure for a need that is not met."""
    name = _NAMES[verdict.need.what]
    return JobwrapError(name, image=image, needs=in_words(verdict.need), has=verdict.has)


def words(verdict: Verdict) -> str:
    """ "it needs x86-64-v4 (as the catalog says) and this node has x86-64-v3 (without avx512f, ...)"."""
    return f"it needs {in_words(verdict.need)} and this node has {verdict.has}"


def in_words(need: Need) -> str:
    """ "Linux 3.2.0 (the ABI tag of /lib/libc.so.6)"."""
    return f"{_WORDS[need.what].format(need.value)} ({need.source})"


_WORDS = {
    kinds.MACHINE: "a CPU of {}",
    kinds.LEVEL: "{}",
    kinds.KERNEL: "Linux {}",
    kinds.CUDA: "{}",
    kinds.GPU: "a GPU of {}",
}
_NAMES = {
    kinds.MACHINE: "image.needs_cpu",
    kinds.LEVEL: "image.needs_cpu",
    kinds.KERNEL: "image.needs_kernel",
    kinds.CUDA: "image.needs_gpu",
    kinds.GPU: "image.needs_gpu",
}


def _machine(value: str, node: Node) -> tuple[str, bool | None]:
    if value == node.machine:
        return node.machine, True
    # A 64-bit CPU may or may not run its 32-bit forebear's programs.
    related = (value, node.machine) in (("i386", "x86_64"), ("arm", "aarch64"))
    return node.machine, None if related or not node.machine else False


def _level(value: str, node: Node) -> tuple[str, bool | None]:
    if node.cpu.level is None:
        return "a CPU of no x86-64 level", None
    wanted = normalise_level(value)
    if wanted is None:
        return f"{node.cpu.level} ({LEVELS[-1]} is the highest that is known)", False
    lacking = node.cpu.lacks(wanted)
    if not lacking:
        return node.cpu.level, True
    more = "" if len(lacking) <= _LONGEST else f" and {len(lacking) - _LONGEST} more"
    return f"{node.cpu.level} (without {', '.join(lacking[:_LONGEST])}{more})", False


def _kernel(value: str, node: Node) -> tuple[str, bool | None]:
    has = version_key(node.kernel)
    return f"Linux {node.kernel}", version_key(value) <= has if has else None


def _gpu(value: str, node: Node) -> tuple[str, bool | None]:
    if not node.gpus.granted:
        return "no GPU granted", None
    return f"a GPU of {node.gpus.vendor or 'an unknown vendor'}", _known(node.gpus.vendor, value)


def _known(vendor: str, wanted: str) -> bool | None:
    return vendor == wanted if vendor else None


def _cuda(value: str, node: Node) -> tuple[str, bool | None]:
    """NVIDIA's own grammar: conditions joined by a comma must all hold, one of the groups must."""
    if not node.gpus.granted or node.gpus.vendor not in ("nvidia", ""):
        return "no NVIDIA GPU granted", None
    driver = node.gpus.driver
    if not version_key(driver):
        return "an unknown NVIDIA driver", None
    facts = {"driver": driver, "cuda": cuda_of(driver)}
    groups = [[_holds(condition, facts) for condition in group.split(",")] for group in value.split()]
    answers = [False if False in group else None if None in group else True for group in groups]
    fits = True if True in answers else None if None in answers or not answers else False
    return f"driver {driver} (CUDA {facts['cuda'] or 'unknown'})", fits


def _holds(condition: str, facts: dict[str, str]) -> bool | None:
    found = re.fullmatch(_CONDITION, condition, re.ASCII)
    if not found or not facts.get(found[1]):  # a brand or an architecture, which nobody asked the GPU for
        return None
    has, wanted = version_key(facts[found[1]]), version_key(found[3])
    return _COMPARE[found[2]](has[: len(wanted)], wanted)


_JUDGES: dict[str, Callable[[str, Node], tuple[str, bool | None]]] = {
    kinds.MACHINE: _machine,
    kinds.LEVEL: _level,
    kinds.KERNEL: _kernel,
    kinds.GPU: _gpu,
    kinds.CUDA: _cuda,
}

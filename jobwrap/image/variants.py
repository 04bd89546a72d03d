"""Which variant of a catalog name fits this node best, in order, and why the others do not."""

from __future__ import annotations

from typing import NamedTuple

from jobwrap.image.catalog import Entry, Variant
from jobwrap.image.fit import Verdict, failing, judge, words
from jobwrap.image.needs import GPU, LEVEL
from jobwrap.node.survey import Node


class Ranking(NamedTuple):
    """fitting: best first; rejected: with the need that the node does not meet, the least demanding first."""

    fitting: tuple[Variant, ...]
    rejected: tuple[tuple[Variant, Verdict], ...]


def rank(entry: Entry, node: Node) -> Ranking:
    """One with a GPU goes before one without, a higher level before a lower one, then the catalog's order."""
    fitting: list[Variant] = []
    rejected: list[tuple[Variant, Verdict]] = []
    for variant in sorted(entry.variants, key=_merit, reverse=True):
        lacking = unmet(variant, node)
        if lacking:
            rejected.insert(0, (variant, lacking))
        else:
            fitting.append(variant)
    return Ranking(tuple(fitting), tuple(rejected))


def unmet(variant: Variant, node: Node) -> Verdict | None:
    """The first need of a variant, as the catalog has it, that the node does not meet."""
    verdicts = judge(variant.needs, node)
    # An image may be said to want a GPU and run without; a variant for one is there for nothing else.
    no_gpu = (verdict for verdict in verdicts if verdict.need.what == GPU and not verdict.fits)
    return failing(verdicts) or next(no_gpu, None)


def explain(name: str, taken: Variant, ranking: Ranking) -> tuple[str, ...]:
    """A sentence for each variant: why it was taken, or why not."""
    forced = next((words(verdict) for variant, verdict in ranking.rejected if variant is taken), "")
    if forced:
        return (f"{taken.reference} was taken, as asked, although {forced}",)
    if len(ranking.fitting) + len(ranking.rejected) == 1:
        return ()
    what = " and ".join(filter(None, [_gpu_words(taken), taken.needs_a(LEVEL)]))
    said = [f"{taken.reference} is the variant of {name} that fits this node best ({what or 'for any node'})"]
    for variant in ranking.fitting:
        if variant is not taken:
            said.append(f"{variant.reference} was not taken: it asks for less than this node has")
    for variant, verdict in reversed(ranking.rejected):
        said.append(f"{variant.reference} was not taken: {words(verdict)}")
    return tuple(said)


def _merit(variant: Variant) -> tuple[bool, str]:
    return bool(variant.needs_a(GPU)), variant.needs_a(LEVEL)


def _gpu_words(variant: Variant) -> str:
    vendor = variant.needs_a(GPU)
    return f"a GPU of {vendor}" if vendor else ""

"""python3 -m benchmarks.page RESULTS DOCS: puts what benchmarks wrote into DOCS/performance.md and its plots.

In the page the words are a person's; what stands between `<!-- NAME -->` and `<!-- /NAME -->` is the
benchmark's, RESULTS/NAME.md, and its plot if there is one.
"""

from __future__ import annotations

import sys
from pathlib import Path

PAGE, PLOTS, BUDGETS = "performance.md", "performance", "budgets"


def write(results: Path, docs: Path) -> None:
    """ValueError where the page has no place for a result."""
    page = docs / PAGE
    text = page.read_text()
    (docs / PLOTS).mkdir(exist_ok=True)
    for path in sorted(results.glob("*.md")):
        plot = results / f"{path.stem}.svg"
        block = path.read_text()
        if path.stem == BUDGETS:
            block = renewed(taken(text, BUDGETS), block)
        if plot.exists():
            (docs / PLOTS / plot.name).write_text(plot.read_text())
            block = f"![{path.stem}]({PLOTS}/{plot.name})\n\n{block}"
        text = put(text, path.stem, block)
    page.write_text(text)


def put(text: str, name: str, block: str) -> str:
    """The page with this block in its place."""
    before, _, after = _parts(text, name)
    return before + block + after


def taken(text: str, name: str) -> str:
    """The block that is there."""
    return _parts(text, name)[1]


def renewed(old: str, new: str) -> str:
    """A table with rows that were not measured this time as they were, if they all have one heading."""
    rows = {_named(line): line for line in new.splitlines(keepends=True)}
    kept = {_named(line) for line in old.splitlines()}
    if not rows.keys() <= kept:
        return new
    return "".join(rows.get(_named(line), line) for line in old.splitlines(keepends=True))


def _named(line: str) -> str:
    """A row by its first cell, any other line by itself."""
    return (line.startswith("|") and line.split("|")[1].strip()) or line.strip()


def _parts(text: str, name: str) -> tuple[str, str, str]:
    """What stands before, in and behind the place of a block."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    places = text.count(begin)
    if places != 1 or text.count(end) != 1:
        raise ValueError(f"the page has {places} places {begin.strip()} … {end}")
    before, _, rest = text.partition(begin)
    block, _, after = rest.partition(end)
    return before + begin, block, end + after


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))

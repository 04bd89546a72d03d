"""python3 -m benchmarks.page RESULTS DOCS: puts what benchmarks wrote into DOCS/performance.md and its plots.

In the page the words are a person's; what stands between `<!-- NAME -->` and `<!-- /NAME -->` is the
benchmark's, RESULTS/NAME.md, and its plot if there is one.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PAGE, PLOTS = "performance.md", "performance"


def write(results: Path, docs: Path) -> None:
    """ValueError where the page has no place for a result."""
    page = docs / PAGE
    text = page.read_text()
    (docs / PLOTS).mkdir(exist_ok=True)
    for path in sorted(results.glob("*.md")):
        plot = results / f"{path.stem}.svg"
        block = path.read_text()
        if plot.exists():
            (docs / PLOTS / plot.name).write_text(plot.read_text())
            block = f"![{path.stem}]({PLOTS}/{plot.name})\n\n{block}"
        text = put(text, path.stem, block)
    page.write_text(text)


def put(text: str, name: str, block: str) -> str:
    """The page with this block in its place."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    place = re.compile(f"(?<={re.escape(begin)}).*?(?={re.escape(end)})", re.DOTALL)
    changed, places = place.subn(lambda _: block, text)
    if places != 1:
        raise ValueError(f"the page has {places} places {begin.strip()} … {end}")
    return changed


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))

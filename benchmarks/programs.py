"""The two sides of most comparisons: jobwrap as it is shipped, and the bare runtime with the same flags."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.measure import ENVIRONMENT

REPO = Path(__file__).parents[1]
SHIPPED = str(REPO / "dist/jobwrap")
IMAGE = "htc/debian:12"
RECORD = "jobwrap-record.json"


def wrapped(folder: Path, *words: str, image: str = IMAGE) -> tuple[str, ...]:
    """jobwrap's words, options and behind "--" the task's; makes the scratch folder."""
    folder.mkdir(parents=True, exist_ok=True)
    return (SHIPPED, "--image", image, *words)


def bare(folder: Path, *options: str, image: str = IMAGE) -> tuple[str, ...]:
    """The runtime's words in jobwrap's plan for a job in `folder`, for the task's to follow."""
    words = wrapped(folder, "--dry-run", "--json", *options, "--", "true", image=image)
    ran = subprocess.run(words, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, check=True)
    for name in ("tmp", "var_tmp", "empty"):  # sources of mounts, which a run makes
        (folder / ".jobwrap" / name).mkdir(parents=True, exist_ok=True)
    return tuple(json.loads(ran.stdout)["container"]["runtime"])


def record(folder: Path) -> dict[str, Any]:
    """The exit record that a run in `folder` left."""
    fields: dict[str, Any] = json.loads((folder / RECORD).read_text())
    return fields

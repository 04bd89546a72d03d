"""The machine that a measurement was made on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

_PROGRAMS = (
    ("Apptainer", "apptainer", "--version"),
    ("bubblewrap", "bwrap", "--version"),
    ("curl", "curl", "--version"),
    ("aria2c", "aria2c", "--version"),
    ("nginx", "nginx", "-v"),
)


def machine() -> str:
    """Processors, memory, kernel and the versions of what takes part, in one line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "unknown")
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    facts = [
        f"{len(os.sched_getaffinity(0))} processors ({model.strip()})",
        f"{pages / (1 << 30):.0f} GiB",
        f"Linux {platform.release()}",
        f"Python {platform.python_version()}",
    ]
    versions = ((name, _version(words)) for name, *words in _PROGRAMS)
    return ", ".join([*facts, *(f"{name} {version}" for name, version in versions if version)])


def load() -> float:
    """How many processes ran or wanted to, on the average of the last minute."""
    return os.getloadavg()[0]


def _version(words: list[str]) -> str:
    """The first number with a point that it tells; "" where it is not there."""
    try:
        ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=20)
    except OSError:
        return ""
    found = re.search(r"\d+(\.\d+)+", ran.stdout + ran.stderr)
    return found[0] if found else ""

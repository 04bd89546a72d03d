"""What this CPU can run, from /proc/cpuinfo: its psABI level on x86-64, its features everywhere.

Levels: x86-64 psABI, https://gitlab.com/x86-psABIs/x86-64-ABI (low-level system information).
"""

from __future__ import annotations

from typing import NamedTuple

# What each level adds, in the kernel's spelling: SSE3 is pni, LZCNT is abm (AMD's name for the pair
# of LZCNT and POPCNT), OSXSAVE is not shown but xsave is only there where the system has set it.
_LEVELS = (
    ("x86-64-v2", "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"),
    ("x86-64-v3", "abm avx avx2 bmi1 bmi2 f16c fma movbe xsave"),
    ("x86-64-v4", "avx512f avx512bw avx512cd avx512dq avx512vl"),
)
_BASE = frozenset(["cmov", "cx8", "fpu", "fxsr", "mmx", "sse", "sse2", "lm"])


class Cpu(NamedTuple):
    """The first processor of the node; vendor and model are "" where the kernel does not tell.

    level     "x86-64-v1" to "x86-64-v4", None elsewhere; cumulative: one missing feature of v3 makes a v2
    features  the kernel's names, as in /proc/cpuinfo
    """

    vendor: str
    model: str
    level: str | None
    features: frozenset[str]

    def lacks(self, level: str) -> tuple[str, ...]:
        """The features that this CPU would need for `level`, in either spelling, and does not have."""
        level = level.replace("x86_64", "x86-64")
        wanted = set(_BASE)
        for name, added in _LEVELS:
            if name <= level:
                wanted.update(added.split())
        return tuple(sorted(wanted - self.features))


def read_cpu(text: str) -> Cpu:
    """The Cpu that the text of a /proc/cpuinfo describes; only its first processor is looked at."""
    fields: dict[str, str] = {}
    for line in text.lstrip().split("\n\n", 1)[0].splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    features = frozenset(fields.get("flags", fields.get("Features", "")).split())
    return Cpu(
        vendor=fields.get("vendor_id", fields.get("CPU implementer", "")),
        model=fields.get("model name", ""),
        level=_level(features),
        features=features,
    )


def _level(features: frozenset[str]) -> str | None:
    if not features >= _BASE:
        return None
    level = "x86-64-v1"
    for name, added in _LEVELS:
        if not features.issuperset(added.split()):
            break
        level = name
    return level

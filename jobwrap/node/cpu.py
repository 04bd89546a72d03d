"""What this CPU can run, from /proc/cpuinfo: its psABI level on x86-64, its features everywhere.

Levels: x86-64 psABI, https://gitlab.com/x86-psABIs/x86-64-ABI (low-level system information).
Arm's numbers: the implementer and part fields of MIDR_EL1, as Arm's manuals of each core give them.
"""

from __future__ import annotations

from typing import NamedTuple

from jobwrap.node import files

# What each level adds, in the kernel's spelling: SSE3 is pni, LZCNT is abm (AMD's name for the pair
# of LZCNT and POPCNT), OSXSAVE is not shown but xsave is only there where the system has set it.
_LEVELS = (
    ("x86-64-v1", "cmov cx8 fpu fxsr lm mmx sse sse2"),
    ("x86-64-v2", "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"),
    ("x86-64-v3", "abm avx avx2 bmi1 bmi2 f16c fma movbe xsave"),
    ("x86-64-v4", "avx512f avx512bw avx512cd avx512dq avx512vl"),
)
_ADDED = {name: frozenset(added.split()) for name, added in _LEVELS}
LEVELS = tuple(_ADDED)

# Other people's names for what the kernel calls so.
_KERNEL_NAMES = {
    "sse3": "pni",
    "lzcnt": "abm",
    "lahf": "lahf_lm",
    "sahf": "lahf_lm",
    "cmpxchg16b": "cx16",
    "sha": "sha_ni",
    "sse4.1": "sse4_1",
    "sse4.2": "sse4_2",
    "neon": "asimd",
    "lse": "atomics",
}
_ARM_VENDORS = {
    "0x41": "ARM",
    "0x42": "Broadcom",
    "0x43": "Cavium",
    "0x46": "Fujitsu",
    "0x48": "HiSilicon",
    "0x4e": "NVIDIA",
    "0x50": "APM",
    "0x51": "Qualcomm",
    "0x61": "Apple",
    "0xc0": "Ampere",
}
_ARM_PARTS = {
    ("0x41", "0xd07"): "Cortex-A57",
    ("0x41", "0xd08"): "Cortex-A72",
    ("0x41", "0xd0b"): "Cortex-A76",
    ("0x41", "0xd0c"): "Neoverse-N1",
    ("0x41", "0xd40"): "Neoverse-V1",
    ("0x41", "0xd49"): "Neoverse-N2",
    ("0x41", "0xd4f"): "Neoverse-V2",
    ("0x41", "0xd83"): "Neoverse-V3",
    ("0x41", "0xd8e"): "Neoverse-N3",
    ("0x43", "0x0af"): "ThunderX2",
    ("0x46", "0x001"): "A64FX",
    ("0x48", "0xd01"): "Kunpeng-920",
    ("0xc0", "0xac3"): "Ampere-1",
    ("0xc0", "0xac4"): "Ampere-1a",
}


def normalise_level(name: str) -> str | None:
    """The level that is meant by "x86-64-v3", "x86_64-v3", "x86_64_v3" …; None if it is none of v1 to v4.

    The bare architecture, in either spelling, is v1: the psABI's baseline.
    """
    level = name.strip().lower().replace("_", "-")
    if level == "x86-64":
        return LEVELS[0]
    return level if level in _ADDED else None


class Cpu(NamedTuple):
    """The first processor of the node; vendor and model are "" where the kernel does not tell.

    level     "x86-64-v1" to "x86-64-v4", None elsewhere; cumulative: one missing feature of v3 makes a v2
    features  the kernel's names, as in /proc/cpuinfo
    """

    vendor: str
    model: str
    level: str | None
    features: frozenset[str]

    def has(self, feature: str) -> bool:
        """Whether the CPU has a feature, by the kernel's name or another usual one ("sse3", "lzcnt")."""
        name = feature.lower()
        return _KERNEL_NAMES.get(name, name) in self.features

    def lacks(self, level: str) -> tuple[str, ...]:
        """The features that this CPU would need for `level`, in any spelling, and does not have.

        A level that nobody knows is lacking as a whole.
        """
        wanted = normalise_level(level)
        if wanted is None:
            return (level,)
        needed = frozenset[str]().union(*(added for name, added in _ADDED.items() if name <= wanted))
        return tuple(sorted(needed - self.features))


def find_cpu(root: str = "/") -> Cpu:
    """The Cpu of the machine whose /proc lies under `root`.

    Only the start of the file is read: the kernel writes it anew for each of some hundred processors.
    """
    return read_cpu(files.text(f"{root}/proc/cpuinfo", limit=1 << 16, until=b"\n\n"))


def read_cpu(text: str) -> Cpu:
    """The Cpu that the text of a /proc/cpuinfo describes; only its first processor is looked at."""
    fields: dict[str, str] = {}
    for line in text.lstrip().split("\n\n", 1)[0].splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    features = frozenset(fields.get("flags", fields.get("Features", "")).split())
    implementer, part = fields.get("CPU implementer", ""), fields.get("CPU part", "")
    return Cpu(
        vendor=fields.get("vendor_id", _ARM_VENDORS.get(implementer, implementer)),
        model=fields.get("model name", _ARM_PARTS.get((implementer, part), part)),
        level=_level(features),
        features=features,
    )


def _level(features: frozenset[str]) -> str | None:
    level = None
    for name, added in _ADDED.items():
        if not features >= added:
            break
        level = name
    return level

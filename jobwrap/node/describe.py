"""The CPU in words for the record: brand, family, cache, clock; never to decide anything by.

py-cpuinfo's parser of /proc/cpuinfo does it; its get_cpu_info() would take more than a second, start
programs, and find nothing inside a zip application.
"""

from __future__ import annotations

from jobwrap.node import files

# py-cpuinfo's name to the record's.
_FACTS = (
    ("brand_raw", "brand"),
    ("vendor_id_raw", "vendor"),
    ("family", "family"),
    ("model", "model"),
    ("stepping", "stepping"),
    ("hz_advertised_friendly", "clock"),
    ("l3_cache_size", "cache"),
)
_PATIENCE = 10.0  # seconds, on a node that is very busy


def describe_cpu(root: str = "/") -> dict[str, str | int]:
    """Facts for people about the first processor, as many as the kernel tells; cache in bytes.

    Takes about 50 ms, the import of py-cpuinfo: not for the way to the launch.
    """
    first = files.text(f"{root}/proc/cpuinfo", limit=1 << 16, until=b"\n\n").partition("\n\n")[0]
    try:
        found = _parse(first)
    except Exception:  # whatever it stumbles over, the record does without
        return {}
    return {ours: found[theirs] for theirs, ours in _FACTS if found.get(theirs)}


def ask_cpu() -> dict[str, str | int]:
    """The same in a child, which takes the import with it when it ends."""
    from jobwrap.node import probe

    try:
        return dict(probe.ask(describe_cpu, deadline=_PATIENCE, what="the CPU"))
    except (probe.Hung, OSError, RuntimeError):
        return {}


def _parse(text: str) -> dict[str, str | int]:
    from cpuinfo import cpuinfo  # type: ignore[import-untyped]

    class Recorded(cpuinfo.DataSource):  # type: ignore[misc]
        """Its view of the machine, narrowed to the text."""

        @staticmethod
        def has_proc_cpuinfo() -> bool:
            return True

        @staticmethod
        def cat_proc_cpuinfo() -> tuple[int, str]:
            return 0, text

    whole = cpuinfo.DataSource
    cpuinfo.DataSource = Recorded
    try:
        return dict(cpuinfo._get_cpu_info_from_proc_cpuinfo())
    finally:
        cpuinfo.DataSource = whole

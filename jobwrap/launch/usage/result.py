"""What the exit record says on usage: the samples, and what the kernel had counted by the end."""

from __future__ import annotations

from typing import Any

from jobwrap.launch.gate import Usage

_BLOCK = 512  # bytes of the blocks that rusage counts
_RSS = "rusage, of the largest process"


def usage_fields(
    seconds: float, sampled: dict[str, Any], task: Usage | None = None, container: Usage | None = None
) -> dict[str, Any]:
    """The fields of record/schema.json under usage, with their sources.

    seconds    that the task has run
    sampled    Watch.usage() or Sampler.result()
    task       what the task used, and those of its children that it waited for
    container  what everything used that the keeper waited for, the runtime's own processes too
    """
    known = [
        (used, source)
        for used, source in ((task, "rusage of the task"), (container, "rusage of the container"))
        if used
    ]
    sources = dict(sampled.get("sources", {}))
    fields: dict[str, Any] = {"seconds": round(seconds, 4), **sampled, "sources": sources}
    # Samples miss what happened after the last of them, rusage misses what nobody waited for.
    for used, source in known:
        for name, value in _totals(used).items():
            if value > fields.get(name, -1):
                fields[name], sources[name] = value, source
    for used, source in known[:1]:
        fields.update(_details(used))
        sources.update(dict.fromkeys(_details(used), source))
        # A cgroup counts only what cannot be taken back, a process's size the files too that it maps.
        if used.peak > fields.get("peak_memory", 0) and "cgroup" not in sources.get("peak_memory", ""):
            fields["peak_memory"], sources["peak_memory"] = used.peak, _RSS
    return dict(sorted(fields.items(), key=lambda field: field[0] == "series"))  # the long one last


def _totals(used: Usage) -> dict[str, float]:
    return {
        "cpu_seconds": round(used.user + used.system, 3),
        "bytes_read": used.read * _BLOCK,
        "bytes_written": used.written * _BLOCK,
    }


def _details(used: Usage) -> dict[str, float]:
    return {
        "user_seconds": round(used.user, 3),
        "system_seconds": round(used.system, 3),
        "major_faults": used.major,
        "switches_voluntary": used.voluntary,
        "switches_forced": used.forced,
    }

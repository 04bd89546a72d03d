"""The plan as it is told: to the record, and to people."""

from __future__ import annotations

from typing import Any

from jobwrap.plan import Plan
from jobwrap.record.exitrecord import without_secrets

_NODE = ("hostname", "machine", "kernel", "python", "container", "cvmfs")


def as_record(plan: Plan) -> dict[str, Any]:
    """The plan as the exit record and --json have it; no value of any variable is in it."""
    node, image = plan.node, plan.image
    return {
        "node": {
            **{name: getattr(node, name) for name in _NODE},
            "cpu": {"vendor": node.cpu.vendor, "model": node.cpu.model, "level": node.cpu.level},
            "gpus": {name: getattr(node.gpus, name) for name in ("vendor", "granted", "present")},
            "slot": node.slot._asdict(),
        },
        "image": image and {
            "asked": image.asked,
            "path": image.path,
            "kind": image.kind,
            "tag": image.tag,
            "content_id": image.content_id,
            "digest": image.digest,
            "root_hash": image.root_hash,
            "revision": image.revision,
            "program": image.program,
            "needs": [need._asdict() for need in image.needs.rows],
        },
        "container": {
            "runtime": list(plan.runtime),
            "mounts": [mount._asdict() for mount in plan.mounts],
            "dropped": [dropped._asdict() for dropped in plan.dropped],
            "environment": sorted(name for name, _ in plan.environment.settings),
            "environment_dropped": [{"name": name, "why": why} for name, why in plan.environment.dropped],
        },
        "plan": list(plan.reasons),
    }  # fmt: skip


def for_people(plan: Plan) -> list[str]:
    """The plan as lines of text."""
    job, node, image = plan.job, plan.node, plan.image
    cpu = (
        node.machine,
        node.cpu.level or "level unknown",
        node.cpu.model or node.cpu.vendor or "CPU unknown",
    )
    lines = [f"node      {node.hostname}: {', '.join(cpu)}"]
    if node.gpus.granted:
        lines.append(f"gpus      {', '.join(node.gpus.granted)}")
    lines.append(f"scratch   {job.scratch}" + ("" if job.here else f", inside {job.target}"))
    if image:
        lines.append(f"image     {image.asked}, {image.kind} {image.path}")
    for bound in plan.staging.bound:
        lines.append(
            f"input     {bound.name}: {bound.source}, {'in place' if bound.in_place else 'bound read-only'}"
        )
    for cached in plan.staging.cached:
        lines.append(f"input     {cached.name}: {cached.path}, from the node's cache, bound read-only")
    for wanted in plan.staging.wanted:
        lines.append(f"input     {wanted.name}: from {', then '.join(map(without_secrets, wanted.places))}")
    for output in job.outputs:
        lines.append(f"output    {output.name}: {without_secrets(output.url) or 'stays in scratch'}")
    for name, path in (("stdout", job.stdout), ("stderr", job.stderr)):
        lines += [f"{name}    {path}"] if path else []
    for mount in plan.mounts:
        lines.append(f"mount     {mount.source} at {mount.target}{', writable' if mount.writable else ''}")
    lines += [f"dropped   {source}: {why}" for source, why in plan.dropped]
    lines.append(f"variables {' '.join(sorted(name for name, _ in plan.environment.settings))}")
    lines += [f"dropped   variable {name}: {why}" for name, why in plan.environment.dropped]
    if plan.runtime:
        lines.append(f"start     {' '.join(map(_quoted, plan.runtime))}")
    lines.append(f"task      {' '.join(map(_quoted, job.command))}")
    return lines + [f"because   {reason}" for reason in plan.reasons]


def _quoted(word: str) -> str:
    from shlex import quote

    return quote(word)

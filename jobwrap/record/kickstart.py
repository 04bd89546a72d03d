"""The record as pegasus-kickstart writes one: an invocation record in YAML, version 3.0.

Source: Pegasus's tools/kickstart_parser.py, which reads it. A scalar is written as JSON writes it, which
YAML reads the same; a record's lines begin with a blank or a dash, by which that parser finds its end.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jobwrap.node import files

# What YAML 1.1 does not take as it is, or takes for a line break.
_NO_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_KIB = 1024
# A record's usage, as getrusage(2) and so kickstart names it.
_USAGE = {
    "utime": "user_seconds",
    "stime": "system_seconds",
    "majflt": "major_faults",
    "nvcsw": "switches_voluntary",
    "nivcsw": "switches_forced",
}


def invocation(record: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    """The whole invocation record."""
    job, ids, node = record["job"], record["job"]["ids"], record.get("node") or {}
    start = record["started"].replace("Z", "+00:00")
    fields = {
        "invocation": True,
        "version": 3.0,
        "start": start,
        "duration": record["seconds"],
        "transformation": ids.get("pegasus_wf_xformation", os.path.basename((job["command"] or [""])[0])),
        "derivation": ids.get("pegasus_wf_dag_job_id", ids.get("DAGNodeName", record["id"])),
        "resource": environ.get("OSG_SITE_NAME") or environ.get("GLIDEIN_Site") or "unknown",
        "hostaddr": _address(),
        "hostname": node.get("hostname", os.uname().nodename),
        "pid": record["jobwrap"]["pid"],
        "uid": os.getuid(),
        "user": environ.get("USER") or environ.get("LOGNAME") or str(os.getuid()),
        "gid": os.getgid(),
        "mainjob": _main(record, start),
        "jobids": {"condor": f"{ids['ClusterId']}.{ids.get('ProcId', 0)}"} if "ClusterId" in ids else {},
        "cwd": job["scratch"] if job.get("here") else job.get("target", job["scratch"]),
        "machine": _machine(node),
        "files": dict(_files(record)),
    }
    return _item(fields)


def multipart(record: Mapping[str, Any]) -> str:
    """What Pegasus takes along from a file in PEGASUS_MULTIPART_DIR: the end, and what it ran in."""
    end, image, node = record["end"], record.get("image") or {}, record.get("node") or {}
    names = ("of", "code", "failure", "who", "advice", "sentence", "phase")
    fields = {name: end.get(name) for name in names}
    fields.update(image=image.get("asked"), image_path=image.get("path"), record=record["id"])
    fields.update(cpu_level=(node.get("cpu") or {}).get("level"))
    return _item({"jobwrap": fields})


def _main(record: Mapping[str, Any], start: str) -> dict[str, Any]:
    """The task; where it never began, the run as a whole stands for it."""
    phases = record["phases"]
    task: dict[str, Any] = next((phase for phase in phases if phase["name"] == "task"), {})
    usage = record.get("usage") or {}
    told: dict[str, Any] = {name: usage[ours] for name, ours in _USAGE.items() if ours in usage}
    if "peak_memory" in usage:
        told["maxrss"] = usage["peak_memory"] // _KIB
    words = record["job"]["command"] or [""]
    program = (record.get("image") or {}).get("program") or words[0]
    return {
        "start": task.get("started", start).replace("Z", "+00:00"),
        "duration": task.get("seconds", record["seconds"]),
        "pid": record["jobwrap"]["pid"],
        "usage": told,
        "status": _status(record["end"]),
        "executable": {"file_name": program},
        "argument_vector": list(words[1:]),
    }


def _status(end: Mapping[str, Any]) -> dict[str, Any]:
    """As wait(2) gives it, in words too."""
    if end["signal"]:
        from jobwrap.signals import signal_name

        name = signal_name(end["signal"])
        return {
            "raw": end["signal"],
            "signalled_signal": end["signal"],
            "signalled_name": name,
            "corefile": False,
        }
    return {"raw": end["code"] << 8, "regular_exitcode": end["code"]}


def _machine(node: Mapping[str, Any]) -> dict[str, Any]:
    uname, cpu, cpuinfo = os.uname(), node.get("cpu") or {}, files.table("/proc/cpuinfo", ":")
    memory = files.table("/proc/meminfo", ":").get("MemTotal", "").split()
    machine = {
        "page-size": os.sysconf("SC_PAGESIZE"),
        "uname_system": uname.sysname.lower(),
        "uname_nodename": uname.nodename,
        "uname_release": uname.release,
        "uname_machine": uname.machine,
        "cpu_count": os.cpu_count(),
        "cpu_vendor": cpu.get("vendor", ""),
        "cpu_model": cpu.get("model", ""),
    }
    if memory:
        machine["ram_total"] = int(memory[0])
    if cpuinfo.get("cpu MHz"):
        machine["cpu_speed"] = round(float(cpuinfo["cpu MHz"]))
    return machine


def _files(record: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for each in record.get("transfers", ()):
        yield each["name"], {"lfn": each["name"], "file_name": each["name"], "size": each["bytes"]}
    for each in record.get("outputs", ()):
        output = {"lfn": each["name"], "file_name": each["name"], "size": each["bytes"], "output": True}
        algorithm, digest = each.get("checksum") or ("", "")
        if algorithm == "sha256":
            output["sha256"] = digest
        yield each["name"], output
    for name, stream in record.get("streams", {}).items():
        told = {"file_name": stream.get("file", name), "size": stream.get("bytes", 0)}
        yield name, {**told, "data": "\n".join(stream.get("last_lines", ()))}


def _address() -> str:
    """Ours, as the outside would see it; nothing is sent."""
    from socket import AF_INET, SOCK_DGRAM, socket

    try:
        with socket(AF_INET, SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # an address that is nobody's, RFC 5737
            return str(probe.getsockname()[0])
    except OSError:
        return "127.0.0.1"


def _item(fields: Mapping[str, Any]) -> str:
    """A sequence of one mapping."""
    return "- " + "\n  ".join(_lines(fields)) + "\n"


def _lines(value: Any) -> Iterator[str]:
    """A mapping or a sequence, line by line, in YAML's block style."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            key = name if re.fullmatch(r"[A-Za-z_][\w-]*", name) else _scalar(name)
            if isinstance(each, (Mapping, list)) and each:
                yield f"{key}:"
                yield from (f"  {line}" for line in _lines(each))
            else:
                yield f"{key}: {_scalar(each)}"
    else:
        yield from (f"- {_scalar(each)}" for each in value)


def _scalar(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return _NO_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)

"""Records as a run writes them, made without one."""

from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Input, Job
from jobwrap.record.exitrecord import ExitRecord, failure_of
from jobwrap.record.redact import Secrets

JOB = Job(
    ("python3", "fit.py", "--n", "3"),
    image="htc/debian:12",
    inputs=(Input("events.bin", ("https://data.example.org/events.bin",)),),
    scratch="/scratch/dir_1",
    ids=(("ClusterId", "12"), ("ProcId", "0"), ("GlobalJobId", "schedd#12.0#1")),
)
PLAN = {
    "node": {
        "hostname": "wn1",
        "machine": "x86_64",
        "kernel": "6.1.0",
        "cpu": {"vendor": "AuthenticAMD", "model": "AMD EPYC 7763", "level": "x86-64-v3"},
        "gpus": {"vendor": "", "granted": [], "present": []},
        "slot": {"cpus": 2, "memory": 4 << 30},
    },
    "image": {"asked": "htc/debian:12", "path": "/cvmfs/tree/.images/ab/cd", "kind": "sandbox"},
    "container": {
        "runtime": ["/usr/bin/apptainer", "exec"],
        "mounts": [{"source": "/scratch/dir_1", "target": "/srv", "writable": True}],
        "dropped": [{"source": "/ceph", "why": "it is not on this node"}],
        "environment": ["HOME", "TMPDIR"],
    },
    "plan": ["htc/debian:12 is pinned to /cvmfs/tree/.images/ab/cd"],
}
WELL = {"of": "task", "code": 0, "signal": None, "failure": None, "evidence": []}
FAILED = {
    "of": "task",
    "code": 3,
    "signal": None,
    **failure_of(JobwrapError("task.failed", code=3)),
    "evidence": ["its last line was: no such column"],
}


def a_record(end=WELL, job=JOB, **plan):
    """A finished record, as a dict."""
    record = ExitRecord(job, Secrets())
    record.begin("survey")
    record.note(**{**PLAN, **plan})
    record.begin("task")
    record.note(
        usage={
            "seconds": 2.5,
            "sources": {"peak_memory": "/proc"},
            "cpu_seconds": 2.0,
            "user_seconds": 2.0,
            "peak_memory": 3 << 20,
        }
    )
    record.finish(end)
    return record.fields


def a_lost_record(phase="task", job=JOB):
    """What is on disk when jobwrap was ended in that phase."""
    record = ExitRecord(job, Secrets())
    record.begin(phase)
    return record.fields

"""What a job may see of its node, by a bind or by a local input."""

import os
from types import SimpleNamespace

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Bind, Job
from jobwrap.launch.mounts import Mount, cover_nodes, plan_mounts
from jobwrap.settings import Settings


@pytest.fixture
def scratch(tmp_path):
    control = tmp_path / "scratch/.jobwrap"
    control.mkdir(parents=True)
    (control / "record.json").write_text("{}")
    return tmp_path / "scratch"


def node(*granted):
    return SimpleNamespace(cvmfs="/cvmfs", gpus=SimpleNamespace(granted=granted))


def planned(scratch, source, way, **settings):
    """The mounts of a job that asks for `source` in this way."""
    job = Job(("true",), scratch=str(scratch))
    mount = Mount(str(source), "/srv/seen")
    if way == "copied":
        mount = Mount(str(source), "")
    if way == "bind":
        job = job._replace(binds=(Bind(*mount),))
    inputs = [] if way == "bind" else [mount]
    return plan_mounts(job, Settings(**settings), node(), inputs, {})[0]


def failure(*arguments, **settings):
    with pytest.raises(JobwrapError) as raised:
        planned(*arguments, **settings)
    return raised.value.failure.name


ways = pytest.mark.parametrize("way", ["bind", "input"])


@ways
@pytest.mark.parametrize("source", ["/", "/proc", "/proc/self/root", "/sys", "/dev/shm"])
def test_no_job_sees_the_nodes_own_file_systems(scratch, way, source):
    assert failure(scratch, source, way) == "policy.forbidden"


@ways
@pytest.mark.parametrize("inside", ["..", ".", ".jobwrap", ".jobwrap/record.json"])
def test_no_job_sees_jobwraps_own_folder(scratch, way, inside):
    assert failure(scratch, os.path.normpath(scratch / inside), way) == "policy.forbidden"


@ways
def test_a_link_leads_nowhere_that_a_path_does_not(scratch, way):
    link = scratch.parent / "link"
    link.symlink_to(scratch / ".jobwrap")
    assert failure(scratch, link, way) == "policy.forbidden"


@ways
def test_what_the_site_allows_is_judged_by_where_a_path_leads(scratch, way):
    allowed, other = scratch.parent / "allowed", scratch.parent / "allowed2"
    for folder in (allowed / "below", other):
        folder.mkdir(parents=True)
    (allowed / "way-out").symlink_to(other)
    sources = {"bind_sources": (str(allowed),)}
    for source in (allowed, allowed / "below"):
        assert Mount(str(source), "/srv/seen") in planned(scratch, source, way, **sources)
    assert failure(scratch, other, way, **sources) == "policy.forbidden"
    assert failure(scratch, allowed / "way-out", way, **sources) == "policy.forbidden"


@ways
def test_what_is_bound_is_the_path_that_was_judged(scratch, way):
    target, link = scratch.parent / "target", scratch.parent / "link"
    target.mkdir()
    link.symlink_to(target)
    assert Mount(str(target), "/srv/seen") in planned(scratch, link, way)


def test_an_input_in_scratch_needs_no_leave_of_the_site(scratch):
    (scratch / "sent").write_text("x")
    assert Mount(str(scratch / "sent"), "/srv/seen") in planned(
        scratch, scratch / "sent", "input", bind_sources=()
    )


def test_a_site_file_system_is_there_or_dropped_with_a_reason(scratch, tmp_path):
    (tmp_path / "ceph").mkdir()
    binds = (Bind(f"{tmp_path}/ceph", "/ceph", True), Bind(f"{tmp_path}/hadoop", "/hadoop"))
    mounts, dropped = plan_mounts(Job(("true",), scratch=str(scratch)), Settings(binds=binds), node(), [], {})
    assert Mount(f"{tmp_path}/ceph", "/ceph", True) in mounts
    assert (f"{tmp_path}/hadoop", "it is not on this node") in dropped


def test_a_task_with_gpus_gets_the_nodes_list_of_opencl_drivers_or_hears_that_there_is_none(scratch):
    for granted, told in (((), False), (("GPU-a",), True)):
        mounts, dropped = plan_mounts(
            Job(("true",), scratch=str(scratch)), Settings(), node(*granted), [], {}
        )
        assert ("/etc/OpenCL/vendors" in {each.source for each in (*mounts, *dropped)}) == told


def test_a_gpu_of_others_is_covered_by_what_nobody_can_open(scratch):
    assert cover_nodes(Job(("true",), scratch=str(scratch)), ["/dev/nvidia1"]) == (
        Mount(f"{scratch}/.jobwrap/nothing", "/dev/nvidia1"),
    )


@pytest.mark.parametrize(
    "target", ["/", "/tmp", "/var/tmp", "/proc", "/dev/shm", "/.singularity.d", "/cvmfs/x"]
)
def test_scratch_takes_no_place_that_is_needed_for_something_else(scratch, target):
    with pytest.raises(JobwrapError, match=f"--target {target}: ") as raised:
        plan_mounts(Job(("true",), scratch=str(scratch), target=target), Settings(), node(), [], {})
    assert raised.value.failure.name == "job.usage"


@ways
def test_no_job_sees_the_tokens_that_the_site_sends(scratch, tmp_path, way):
    (tmp_path / "site").mkdir()
    for name in ("token", "robot.pem", "data"):
        (tmp_path / "site" / name).touch()
    transfer = {
        "tokens": (("data.example.org", f"{tmp_path}/site/token"),),
        "client_certificate": f"{tmp_path}/site/robot.pem",
    }
    for source in ("site", "site/token", "site/robot.pem"):
        assert failure(scratch, tmp_path / source, way, transfer=transfer) == "policy.forbidden"
    assert planned(scratch, tmp_path / "site/data", way, transfer=transfer)


def test_what_is_copied_is_judged_as_what_is_bound_and_not_mounted(scratch, tmp_path):
    (tmp_path / "allowed").mkdir()
    (tmp_path / "link").symlink_to("/etc")
    for source in ("/proc/version", scratch / ".jobwrap/record.json"):
        assert failure(scratch, source, "copied") == "policy.forbidden"
    sources = {"bind_sources": (f"{tmp_path}/allowed",)}
    assert failure(scratch, tmp_path / "link", "copied", **sources) == "policy.forbidden"
    without = planned(scratch, tmp_path / "allowed", "copied", **sources)
    assert str(tmp_path / "allowed") not in {mount.source for mount in without}

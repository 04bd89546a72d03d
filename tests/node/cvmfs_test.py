"""CVMFS repositories: what their state is called, and that none can keep anyone waiting."""

import errno
import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.node import cvmfs
from jobwrap.node.cvmfs import Repository, check, compare, cvmfs_mount, look, repository_of

TOLD = {
    "revision": 42,
    "root_hash": "ab12",
    "nioerr": 3,
    "timestamp_last_ioerr": 1700000000,
    "host": "http://stratum-1.example.org/cvmfs/data.example.org",
    "proxy": "DIRECT",
    "version": "2.11.5.0",
}


@pytest.mark.parametrize(
    ("environ", "mount"),
    [
        ({}, "/cvmfs"),
        ({"CVMFS_BASE": "/srv/cvmfs/"}, "/srv/cvmfs"),
        ({"CVMFS_MOUNT_DIR": "/a", "CVMFS_BASE": "/b"}, "/a"),
        ({"CVMFS_BASE": "relative"}, "/cvmfs"),
    ],
)
def test_cvmfs_is_where_the_environment_says(environ, mount):
    assert cvmfs_mount(environ) == mount


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/cvmfs/a.example.org/x/y", "a.example.org"),
        ("/cvmfs/a.example.org", "a.example.org"),
        ("/srv/cvmfs/b.example.org/x", "b.example.org"),
        ("/cvmfs", ""),
        ("/home/x", ""),
    ],
)
def test_a_path_tells_its_repository(path, name):
    assert repository_of(path, "/srv/cvmfs") == name


def test_a_repository_that_is_not_there_is_missing_and_a_bare_folder_is_empty(tmp_path):
    (tmp_path / "bare.example.org").mkdir()
    (tmp_path / "file.example.org").write_text("")
    (tmp_path / "good.example.org").mkdir()
    (tmp_path / "good.example.org/file").write_text("")
    names = ["none.example.org", "bare.example.org", "file.example.org", "good.example.org"]
    found = look(names, str(tmp_path), 10)
    assert [each.state for each in found] == ["missing", "empty", "missing", "present"]
    assert found[3] == Repository("good.example.org", f"{tmp_path}/good.example.org", "present")


@pytest.mark.parametrize(
    ("state", "failure", "words"),
    [
        ("empty", "site.cvmfs_missing", "is not mounted"),
        ("missing", "site.cvmfs_missing", "is not mounted"),
        ("hung", "site.cvmfs_hung", "within 7 s"),
        ("disconnected", "site.cvmfs_broken", "the problem"),
        ("I/O error", "site.cvmfs_broken", "the problem"),
        ("broken", "site.cvmfs_broken", "the problem"),
    ],
)
def test_a_bad_state_has_a_failure_of_its_own(state, failure, words):
    with pytest.raises(JobwrapError, match=words) as raised:
        check(Repository("x", "/cvmfs/x", state, "the problem"), 7)
    assert raised.value.failure.name == failure


def test_a_good_state_passes():
    check(Repository("x", "/cvmfs/x", "present"), 7)


def seen(**facts):
    return Repository("x", "/cvmfs/x", **{"state": "present", **facts})


@pytest.mark.parametrize(
    ("before", "after", "evidence"),
    [
        (seen(nioerr=1), seen(nioerr=1), ()),
        (seen(nioerr=1), seen(nioerr=3, last_ioerr=6), ("/cvmfs/x had 2 I/O errors while the task ran",)),
        (seen(nioerr=9), seen(nioerr=1), ("/cvmfs/x had 1 I/O error while the task ran",)),
        (seen(nioerr=9), seen(nioerr=0), ()),
        (seen(last_ioerr=0), seen(last_ioerr=6), ("/cvmfs/x had an I/O error while the task ran",)),
        (seen(), seen(nioerr=3), ()),
        (seen(revision=1), seen(revision=2), ()),
        (seen(), seen(state="hung", problem="no answer"), ("/cvmfs/x stopped working: no answer",)),
        (seen(), seen(state="empty"), ("/cvmfs/x stopped working: empty",)),
        (seen(state="missing"), seen(state="missing"), ()),
    ],
)  # fmt: skip
def test_errors_that_came_while_the_task_ran_are_evidence(before, after, evidence):
    assert compare([before], [after]) == evidence


def state(mount, deadline=60.0):
    return look(["data.example.org"], str(mount.folder), deadline)[0]


@pytest.mark.node
def test_a_mounted_repository_tells_of_itself(mount):
    mount(attributes=TOLD)
    found = state(mount)
    assert found.state == "present"
    assert (found.revision, found.root_hash, found.nioerr, found.last_ioerr) == (42, "ab12", 3, 1700000000)
    assert (found.host, found.proxy, found.version) == (TOLD["host"], "DIRECT", "2.11.5.0")


@pytest.mark.node
@pytest.mark.parametrize("hidden", [errno.EPERM, errno.ENODATA, errno.EOPNOTSUPP, errno.EIO])
def test_attributes_that_may_not_be_read_are_unknown(mount, hidden):
    mount(hidden=hidden)
    found = state(mount)
    assert found == Repository(found.name, found.path, "present")


@pytest.mark.node
def test_odd_attributes_are_unknown(mount):
    mount(attributes={**TOLD, "revision": "x", "nioerr": "9" * 5000, "timestamp_last_ioerr": ""})
    found = state(mount)
    assert (found.state, found.revision, found.nioerr, found.last_ioerr) == ("present", None, None, None)


@pytest.mark.node
@pytest.mark.parametrize(
    ("mode", "word", "problem"),
    [
        ("eio", "I/O error", "Input/output error"),
        ("stale", "broken", "Stale file handle"),
        ("empty", "empty", ""),
        ("slow", "present", ""),
    ],
)
def test_a_repository_that_fails_is_called_by_how_it_fails(mount, mode, word, problem):
    mount(mode=mode)
    found = state(mount)
    assert (found.state, found.problem) == (word, problem)


@pytest.mark.node
def test_a_repository_whose_client_died_is_disconnected(mount):
    mount.server.kill()
    mount.server.wait()
    found = state(mount)
    assert (found.state, found.problem) == ("disconnected", "Transport endpoint is not connected")


def children():
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def descriptors(process):
    found = set()
    for number in os.listdir(f"/proc/{process}/fd"):
        with suppress(FileNotFoundError):  # that of the listing itself
            found.add(os.readlink(f"/proc/{process}/fd/{number}"))
    return found


@pytest.mark.node
def test_a_repository_that_hangs_costs_its_deadline_and_the_probe_holds_nothing_of_ours(mount):
    mount(mode="hang")
    (mount.folder / "good.example.org").mkdir()
    (mount.folder / "good.example.org/file").write_text("")
    held = os.open(mount.folder, os.O_RDONLY)
    before, start = children(), time.monotonic()
    found = look(["data.example.org", "good.example.org"], str(mount.folder), 3)
    took = time.monotonic() - start
    assert [each.state for each in found] == ["hung", "present"]
    assert found[0].problem == "no answer within 3 s"
    assert 3 <= took < 60
    (abandoned,) = children() - before
    (pipe,) = descriptors(abandoned) - {"/dev/null", found[0].path}
    assert pipe.startswith("pipe:") and pipe not in descriptors("self")
    assert os.readlink(f"/proc/{abandoned}/cwd") == "/"
    os.close(held)
    mount.server.kill()  # the mount goes, and the probe with it
    os.waitpid(int(abandoned), 0)


@pytest.mark.node
def test_what_happens_while_a_task_runs_is_seen_by_looking_again(mount):
    mount(attributes=TOLD)
    before = state(mount)
    mount(attributes={**TOLD, "nioerr": 5, "timestamp_last_ioerr": 1700000009})
    assert compare([before], [state(mount)]) == (f"{before.path} had 2 I/O errors while the task ran",)
    mount(mode="hang")
    evidence = compare([before], [state(mount, 0.3)])
    assert evidence == (f"{before.path} stopped working: no answer within 0.3 s",)


@pytest.mark.node
def test_the_sample_tree_is_present_and_a_repository_it_lacks_is_missing():
    found = look(["data.example.org", "none.example.org"], "/cvmfs", 10)
    assert [each.state for each in found] == [cvmfs.PRESENT, cvmfs.MISSING]

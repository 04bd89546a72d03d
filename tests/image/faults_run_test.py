"""Whole runs on an image tree that fails: the right name in the record, in time, and nothing left behind."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import TREE
from tests.image.making import OSG

pytestmark = pytest.mark.node
SERVER = Path(__file__).parent / "fuse_tree.py"
# A runtime before which the tree is told to lose what it had: after the choice, right before the launch.
LATE = """#!/bin/sh
{wait}
echo '{control}' >"{path}.new" && mv "{path}.new" "{path}"
exec /usr/bin/apptainer "$@"
"""
READ = """until grep -q '"phase": "task"' jobwrap-record.json; do sleep 0.1; done"""


class Site:
    """A site whose image tree is the sample one behind a FUSE mount, its deadline a second if it hangs."""

    def __init__(self, folder):
        self.control, self.cvmfs = folder / "control.json", folder / "cvmfs"
        self.path, self.file, self.runtime = self.cvmfs / OSG, folder / "site.json", folder / "apptainer"
        self.path.mkdir(parents=True)
        self.tell()
        words = [sys.executable, SERVER, self.path, TREE, self.control]
        self.server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.server.stdout.readline() == "mounted\n"

    def use(self, runtime, control):
        deadline = 1 if control.get("mode") == "hang" else 20
        node = {"cvmfs": str(self.cvmfs), "runtime": str(runtime), "deadline": deadline}
        self.file.write_text(json.dumps({"node": node}))

    def tell(self, **control):
        self.control.write_text(json.dumps(control))
        self.use("/usr/bin/apptainer", control)

    def tell_late(self, read=True, **control):
        """read: when the image's needs have been read, too."""
        wait = READ if read else ""
        self.runtime.write_text(LATE.format(wait=wait, control=json.dumps(control), path=self.control))
        self.runtime.chmod(0o755)
        self.use(self.runtime, control)

    def end(self):
        self.server.kill()
        self.server.communicate()
        subprocess.run(["fusermount3", "-uz", self.path], check=True)


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    yield site
    site.end()


def run(jobwrap, site):
    """The run, which must not take long, and leave no process that holds a thing of it."""
    start = time.monotonic()
    ran = jobwrap.run("--site", site.file, "--image", "htc/debian:12", "--", "sh", "-c", "echo ran")
    assert time.monotonic() - start < 15
    held = [link for link in map(target, Path("/proc").glob("[0-9]*/fd/*")) if str(jobwrap.scratch) in link]
    assert held == []
    return ran


def target(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


def test_a_tree_behind_fuse_serves_a_run_as_any_other(site, jobwrap):
    ran = run(jobwrap, site)
    assert (ran.code, ran.stdout) == (0, "ran\n")
    assert ran.record["image"]["path"].startswith(f"{site.path}/.images/")


@pytest.mark.parametrize(
    ("mode", "name"),
    [("hang", "site.cvmfs_hung"), ("eio", "site.cvmfs_broken"), ("died", "site.cvmfs_broken")],
)
def test_a_tree_that_fails_before_the_choice_is_the_sites_failure(site, jobwrap, mode, name):
    if mode == "died":
        site.server.kill()
        site.server.wait()
    site.tell(mode=mode)
    ran = run(jobwrap, site)
    assert (ran.code, ran.stdout) == (69, "")
    assert (ran.record["end"]["failure"], ran.record["end"]["advice"]) == (name, "elsewhere")
    assert str(site.path) in ran.stderr


@pytest.mark.parametrize(
    ("control", "name"),
    [
        ({"mode": "gone", "at": "/.images"}, "image.withdrawn"),
        ({"mode": "gone"}, "site.cvmfs_missing"),
        ({"mode": "eio"}, "site.cvmfs_broken"),
    ],
)
def test_an_image_that_is_lost_between_choice_and_launch_is_named(site, jobwrap, control, name):
    site.tell_late(**control)
    ran = run(jobwrap, site)
    assert (ran.code, ran.stdout, ran.record["end"]["failure"]) == (69, "", name)


def test_a_tree_that_fails_as_soon_as_the_image_is_pinned_is_the_sites_failure(site, jobwrap):
    """Whether or not its needs have been read by then."""
    site.tell_late(read=False, mode="eio")
    ran = run(jobwrap, site)
    assert (ran.code, ran.stdout, ran.record["end"]["who"]) == (69, "", "site")


@pytest.mark.parametrize("read", [False, True])
def test_a_tree_that_hangs_between_choice_and_launch_does_not_hang_jobwrap(site, jobwrap, tmp_path, read):
    """The runtime itself hangs there, and not even SIGKILL ends it before the mount goes."""
    site.tell_late(read=read, mode="hang")
    start = time.monotonic()
    with (tmp_path / "out").open("wb") as out:
        process = jobwrap.start(
            "--site", site.file, "--image", "htc/debian:12", "--", "true", stdout=out, stderr=out
        )
        assert process.wait(60) == 69
    assert 1 <= time.monotonic() - start < 40  # two looks, and the patience with what is to be killed
    assert jobwrap.record()["end"]["failure"] == "site.cvmfs_hung"
    assert f"{site.path} did not answer within 1 s" in (tmp_path / "out").read_text()
    if read:  # otherwise it is the look at the image that hangs first
        assert jobwrap.record()["usage"]["processes_stuck"] >= 1

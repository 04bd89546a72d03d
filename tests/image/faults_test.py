"""An image tree that hangs, fails or loses the image: the right name, within the deadline, nothing left."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.image.choose import Choice, choose
from jobwrap.image.hold import still_there
from jobwrap.job.spec import Bind, Job
from jobwrap.settings import Settings
from tests.image.making import OSG, Tree, machine

pytestmark = pytest.mark.node
SERVER = Path(__file__).parent / "fuse_tree.py"
# Seconds that a look may take: few for what never answers, else enough for any machine.
SHORT, LONG = 1.0, 20.0


class Mount:
    """The tree behind a FUSE mount that does as it is told."""

    def __init__(self, folder):
        self.tree = Tree(folder / "behind")
        self.content = self.tree.add("htc/debian:12")
        self.control = folder / "control.json"
        self.cvmfs = folder / "cvmfs"
        self.path = self.cvmfs / OSG
        self.path.mkdir(parents=True)
        self.settings = Settings()
        self.tell()
        words = [sys.executable, SERVER, self.path, self.tree.root, self.control]
        self.server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self.server.stdout.readline() == "mounted\n"
        self.node = machine("haswell", self.cvmfs)

    def tell(self, **control):
        self.settings = self.settings._replace(deadline=SHORT if control.get("mode") == "hang" else LONG)
        new = self.control.with_suffix(".new")
        new.write_text(json.dumps(control))
        new.rename(self.control)

    def choose(self, image="htc/debian:12"):
        return choose(Job(("sh",), image=image), self.node, self.settings)

    def choice(self):
        return Choice(Job(("sh",), image="htc/debian:12"), self.node, self.settings)

    def refused(self, image="htc/debian:12"):
        with pytest.raises(JobwrapError) as raised:
            self.choose(image)
        return raised.value

    def end(self):
        self.server.kill()  # what hangs in it is released with it
        self.server.communicate()
        subprocess.run(["fusermount3", "-uz", self.path], stderr=subprocess.DEVNULL, check=False)


@pytest.fixture
def mount(tmp_path):
    mount = Mount(tmp_path)
    yield mount
    mount.end()


@pytest.fixture
def image(mount):
    return mount.choose()


def test_a_healthy_tree_gives_the_image_with_the_repositorys_root_hash_and_revision(mount):
    mount.tell(attributes={"root_hash": "ab12", "revision": "42"})
    image = mount.choose()
    assert image.path == str(mount.path / mount.content.relative_to(mount.tree.root))
    assert (image.root_hash, image.revision) == ("ab12", "42")


@pytest.mark.parametrize("at", ["/", "/htc", "/.images", "lib", "etc"])
def test_a_tree_that_hangs_anywhere_is_named_within_the_deadline(mount, at):
    inside = "/" + str(mount.content.relative_to(mount.tree.root))
    mount.tell(mode="hang", at=at if at.startswith("/") else f"{inside}/{at}")
    begin = time.monotonic()
    error = mount.refused()
    assert error.failure.name == "site.cvmfs_hung"
    assert f"{mount.path} did not answer within 1 s" in error.sentence
    assert time.monotonic() - begin < 20 * SHORT


def test_a_bind_that_hangs_is_not_blamed_on_the_tree(mount, tmp_path):
    behind = tmp_path / "healthy"
    Tree(behind).add("htc/debian:12")
    mount.tell(mode="hang")
    job = Job(("/data/program",), image="htc/debian:12")
    settings = mount.settings._replace(binds=(Bind(str(mount.path), "/data"),), deadline=5.0)
    with pytest.raises(JobwrapError) as raised:
        choose(job, machine("haswell", behind), settings)
    assert raised.value.failure.name == "site.storage"
    assert str(mount.path) in raised.value.sentence


@pytest.mark.parametrize("at", ["/", "/htc", "/.images", "lib", "etc/os-release"])
def test_a_tree_with_io_errors_is_broken_and_no_file_of_the_image_is_taken_for_missing(mount, at):
    inside = "/" + str(mount.content.relative_to(mount.tree.root))
    mount.tell(mode="eio", at=at if at.startswith("/") else f"{inside}/{at}")
    error = mount.refused()
    assert error.failure.name == "site.cvmfs_broken"
    assert f"{mount.path} does not work on this node (Input/output error)" in error.sentence


def test_a_mount_whose_client_died_is_broken(mount):
    mount.server.kill()
    mount.server.wait()
    error = mount.refused()
    assert error.failure.name == "site.cvmfs_broken"
    assert "Transport endpoint is not connected" in error.sentence or "Socket not connected" in error.sentence


def test_a_tag_that_is_gone_is_not_found_in_a_tree_that_works(mount):
    mount.tell(mode="gone", at="/htc/debian:12")
    assert mount.refused().failure.name == "image.not_found"


def test_a_tag_whose_content_is_gone_is_the_images(mount):
    mount.tell(mode="gone", at="/.images/00")
    assert mount.refused().failure.name == "image.broken"


def test_an_image_that_is_still_there_is_no_failure(mount, image):
    assert still_there(image, mount.node.cvmfs, deadline=LONG) is None


@pytest.mark.parametrize(
    ("mode", "at", "name"),
    [
        ("gone", "/.images/00", "image.withdrawn"),
        ("gone", "/", "site.cvmfs_missing"),
        ("eio", "/", "site.cvmfs_broken"),
        ("hang", "/", "site.cvmfs_hung"),
    ],
)
def test_what_happened_to_the_image_under_the_task_is_named(mount, image, mode, at, name):
    mount.tell(mode=mode, at=at)
    assert still_there(image, mount.node.cvmfs, deadline=mount.settings.deadline).failure.name == name


def test_the_image_keeps_its_mount_busy_until_its_choice_is_over(mount):
    unmount = ["fusermount3", "-u", mount.path]
    with mount.choice() as choice:
        choice.judged(choice.image())
        busy = subprocess.run(unmount, capture_output=True, check=False)
        assert b"busy" in busy.stderr
    assert subprocess.run(unmount, check=False).returncode == 0


def test_an_image_is_known_before_its_needs_are(mount):
    mount.tell(mode="hang", at="/" + str(mount.content.relative_to(mount.tree.root)) + "/lib")
    mount.settings = mount.settings._replace(deadline=5.0)  # first, there is something to be answered
    with mount.choice() as choice:
        image = choice.image()
        assert image.path == str(mount.path / mount.content.relative_to(mount.tree.root))
        with pytest.raises(JobwrapError) as raised:
            choice.judged(image)
    assert raised.value.failure.name == "site.cvmfs_hung"


def test_nothing_that_still_runs_is_left_of_a_look_that_hung(mount):
    mount.tell(mode="hang")
    mount.refused()
    end = time.monotonic() + 10
    while living(mount) and time.monotonic() < end:
        time.sleep(0.01)
    assert living(mount) == []


def living(mount):
    """The children of this process that still run; one that waits for its mount to go is in state D."""
    states = []
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        if int(child) != mount.server.pid:
            states.append(Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0])
    return [state for state in states if state not in "ZXD"]

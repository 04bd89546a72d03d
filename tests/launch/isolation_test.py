"""What a task cannot reach, tried from inside beside a neighbour that has one of each thing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.conftest import TREE, Jobwrap
from tests.launch.conftest import wait_for
from tests.launch.intruder import ADD_KEY, COMMANDS, KEYCTL, LIBC, SESSION, TRIES

pytestmark = pytest.mark.node
NUMPY = ("--image", "htc/numpy:2.2.4")
INTRUDER = Path(__file__).with_name("intruder.py")
REF = "ref=/cvmfs/data.example.org/reference/hello.txt"
SECRET = "neighbours-secret-0123456789"
# The control: as root of its own namespaces a task can do what it likes, so that the rest means something.
HARMLESS = {"anything", "anything, as root"}
NETWORK = {"host": {"abstract socket"}, "none": set()}


@pytest.fixture(params=["apptainer", "bwrap"])
def runtime(request):
    return ("--runtime", request.param)


def slot(folder, facts):
    """A scratch folder with the program in it."""
    folder.mkdir()
    shutil.copy(INTRUDER, folder)
    (folder / "facts").write_text(json.dumps(facts))
    return Jobwrap(folder)


def with_a_key(words, environment, folder):
    """Runs the words in a session keyring of their own that has a key in it."""
    script = (
        f"import ctypes, os, sys; call = ctypes.CDLL(None).syscall; call({KEYCTL}, 1, None);"
        f"call({ADD_KEY}, b'user', {SECRET.encode()!r}, b'x', 1, ctypes.c_int({SESSION}));"
        "os.execvp(sys.argv[1], sys.argv[1:])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, *map(str, words)],
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("network", NETWORK)
def test_nothing_of_another_slot_and_nothing_of_the_nodes_is_reached(tmp_path, runtime, network):
    facts = {
        "key": 0x4A5700 + os.getpid() % 255,
        "secret": SECRET,
        "scratch": str(tmp_path / "other"),
        "processes": [],
    }
    other = slot(tmp_path / "other", facts)
    words = (*runtime, *NUMPY, "--", "python3", "intruder.py")
    neighbour = other.start("--env", f"SECRET={SECRET}", *words, "neighbour", "facts")
    try:
        wait_for((other.scratch / "up").exists)
        tree = [neighbour.pid, *(each.pid for each in psutil.Process(neighbour.pid).children(recursive=True))]
        mine = slot(tmp_path / "mine", {**facts, "processes": tree, "mine": str(tmp_path / "mine")})
        asked = ("--network", network, "--input", REF)
        words = (*mine.program, *asked, *words, "intruder", "facts")
        found = set(json.loads(with_a_key(words, mine.environment, mine.scratch)))
    finally:
        neighbour.terminate()
        other.end(neighbour)
    assert found == HARMLESS | NETWORK[network]


def test_the_intruder_does_reach_what_is_not_kept_from_it(tmp_path):
    """Without a container: what is tried above would be found."""
    facts = {
        "key": 0x4A5700 + os.getpid() % 255,
        "secret": SECRET,
        "scratch": str(tmp_path / "mine"),
        "processes": [1],
    }
    mine = slot(tmp_path / "mine", {**facts, "processes": [os.getpid()], "mine": str(tmp_path / "mine")})
    environment = {**os.environ, "SECRET": SECRET}
    neighbour = subprocess.Popen(
        [sys.executable, "intruder.py", "neighbour", "facts"], cwd=mine.scratch, env=environment
    )
    try:
        wait_for((mine.scratch / "up").exists)
        (mine.scratch / ".jobwrap").mkdir()
        (mine.scratch / ".jobwrap/record.json").touch()
        words = (sys.executable, "intruder.py", "intruder", "facts")
        found = set(json.loads(with_a_key(words, os.environ, mine.scratch)))
    finally:
        neighbour.terminate()
        neighbour.wait()
        for kind in ("m", "q", "s"):
            option = {"m": "-M", "q": "-Q", "s": "-S"}[kind]
            subprocess.run(["ipcrm", option, str(facts["key"])], check=False)
        for path in ("/tmp/neighbours", "/var/tmp/neighbours", "/dev/shm/neighbours"):
            Path(path).unlink(missing_ok=True)
        LIBC.mq_unlink(b"/neighbours")
    assert set(TRIES) - found <= {each for each in TRIES if each.endswith("gate")}
    assert not found & set(COMMANDS) - {"bind", "cover, renamed"}


def test_a_job_cannot_loosen_the_sites_network(tmp_path, jobwrap, runtime):
    site = tmp_path / "site.toml"
    site.write_text('[policy]\nnetwork = "none"\n')
    site.chmod(0o600)
    words = ("--site", site, *runtime, "--network", "host", "--image", "htc/debian:12")
    ran = jobwrap.run(*words, "--", "sh", "-c", "grep -c : /proc/net/dev; grep -c lo: /proc/net/dev")
    assert ran.stdout == "1\n1\n"


@pytest.mark.parametrize("image", ["/", "/home", "..", "/proc", "secret"])
def test_no_folder_that_may_not_be_bound_is_an_image(jobwrap, runtime, tmp_path, image):
    (tmp_path / "secret/.ssh").mkdir(parents=True)
    image = tmp_path / image if image == "secret" else image
    environ = {"HOME": "/home/job" if image == "/home" else str(tmp_path / "secret")}
    if image == "/home":
        Path("/home/job/.ssh").mkdir(exist_ok=True)
    ran = jobwrap.run(*runtime, "--image", image, "--", "true", environ=environ)
    assert ran.record["end"]["failure"] == "policy.forbidden"


def test_temporary_files_lie_on_the_disk_of_scratch(jobwrap, runtime):
    script = "stat -c %d . /tmp /var/tmp; pwd; echo $HOME $TMPDIR; df -P /tmp | tail -1"
    said = jobwrap.run(*runtime, "--image", "htc/debian:12", "--", "sh", "-c", script).stdout.splitlines()
    assert len(set(said[:3])) == 1
    assert said[0] == str(os.stat(jobwrap.scratch).st_dev)
    assert said[3:5] == ["/srv", "/srv /tmp"]


def test_no_mount_lends_a_privilege_or_a_device(jobwrap, runtime):
    ran = jobwrap.run(*runtime, "--image", "htc/debian:12", "--", "cat", "/proc/self/mountinfo")
    mounts = {line.split()[4]: set(line.split()[5].split(",")) for line in ran.stdout.splitlines()}
    made = [each["target"] for each in ran.record["container"]["mounts"]]
    assert {"/srv", "/tmp", "/cvmfs"} <= set(made)
    assert [place for place in made if not {"nosuid", "nodev"} <= mounts[place]] == []


@pytest.fixture
def bare_image(tmp_path):
    """A hand-made one: with environment scripts, without the one that injects the runtime's variables."""
    image = tmp_path / "image"
    shutil.copytree(f"{TREE}/htc/static:1", image, symlinks=True)
    (image / ".singularity.d/env").mkdir(parents=True)
    (image / ".singularity.d/env/10-own.sh").write_text("export OWN=image MINE=image\n")
    return image


@pytest.mark.parametrize("image", ["static", "bare"])
def test_an_image_without_the_usual_scripts_gets_its_variables_too(jobwrap, runtime, image, bare_image):
    value = "$(id) `id` 'a' \"b\" = \t\\ é"
    words = ("--image", "htc/static:1" if image == "static" else bare_image, "--env", f"MINE={value}")
    said = jobwrap.run(*runtime, *words, "--", "/bin/report").stdout.splitlines()
    assert f"env=MINE={value}" in said
    assert "env=HOME=/srv" in said
    if (
        image == "bare" and "apptainer" in runtime
    ):  # bubblewrap needs a shell for them, which this image lacks
        assert "env=OWN=image" in said

"""Which paths lead to a file system that may never answer, and that no survey waits for one."""

import json
import os
import subprocess
import sys
import time

import pytest

from jobwrap.node.mounts import leads_into, may_hang
from jobwrap.node.runtime import Runtime, find_named, find_runtime
from tests.conftest import REPO

TABLE = r"""22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
23 22 0:21 / /proc rw shared:2 - proc proc rw
30 22 0:40 / /home rw,relatime shared:9 - autofs systemd-1 rw,fd=30
31 30 0:41 /export/alice /home/alice rw shared:10 master:3 - nfs4 filer:/export rw,vers=4.2
32 22 0:42 / /cvmfs/sft.cern.ch ro,nosuid - fuse cvmfs2 ro,user_id=998
33 22 259:3 / /scratch rw - xfs /dev/nvme1n1 rw
34 22 0:43 / /data\040of\040all ro - lustre mgs:/all ro
35 22 0:44 / /var/lib/docker/x rw - overlay overlay rw
truncated
36 22 0:45 / /odd"""


def test_all_that_is_no_local_file_system_may_hang(tmp_path):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(TABLE)
    found = may_hang(str(tmp_path))
    assert found == {"/proc", "/home", "/home/alice", "/cvmfs/sft.cern.ch", "/data of all", "/odd"}


@pytest.mark.parametrize("table", ["", "1 2 0:1 / / rw - nfs filer:/root rw\n", "\0 - \n - \n"])
def test_a_root_that_may_hang_is_no_mount_like_others(tmp_path, table):
    """A node without disks has its whole system on NFS, this program too."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/mountinfo").write_text(table)
    assert may_hang(str(tmp_path)) == set()
    assert may_hang(str(tmp_path / "none")) == set()


def test_a_path_that_leads_into_a_mount_is_known_without_a_touch(tmp_path):
    (tmp_path / "direct").symlink_to("/cvmfs/x/y")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/up").symlink_to("../direct")
    (tmp_path / "mounted").symlink_to(f"{tmp_path}/elsewhere/x")
    (tmp_path / "loop").symlink_to("loop")
    mount = f"{tmp_path}/elsewhere"
    for inside in ["direct", "direct/bin/a", "folder/up/a", "folder/../direct"]:
        assert leads_into(f"{tmp_path}/{inside}", ("/cvmfs", mount)) == "/cvmfs", inside
    for inside in ["mounted", "elsewhere/x"]:
        assert leads_into(f"{tmp_path}/{inside}", ("/cvmfs", mount)) == mount, inside
    for outside in ["folder", "loop", "loop/x", "no/such", "folder/../folder", "\0"]:
        assert leads_into(f"{tmp_path}/{outside}", ("/cvmfs", mount)) == "", outside


@pytest.mark.node
def test_a_folder_of_path_on_a_mount_that_hangs_costs_the_deadline_once(mount, tmp_path):
    """Also where a link leads there, and for both names; what comes after it in PATH is found."""
    mount(mode="hang")
    there = mount.folder / "data.example.org"
    (tmp_path / "link").symlink_to(there / "bin")
    path = f"{there}/bin:{tmp_path}/link:/usr/bin"
    start = time.monotonic()
    found, rejected = find_runtime({"PATH": path}, {}, deadline=1)
    assert 1 <= time.monotonic() - start < 60
    assert found == Runtime("/usr/bin/apptainer", "apptainer", "PATH")
    hung = f"{there}/bin/apptainer did not answer within 1 s"
    assert rejected == (
        (f"{there}/bin/apptainer", hung),
        (f"{tmp_path}/link/apptainer", f"not looked at, since {hung}"),
    )
    assert find_named("bwrap", {"PATH": path}, deadline=1) == Runtime(
        "/usr/bin/bwrap", "bwrap", "--runtime bwrap"
    )


@pytest.mark.node
def test_the_sites_runtime_on_a_mount_that_hangs_does_not_keep_a_job_from_another(mount, jobwrap, tmp_path):
    mount(mode="hang")
    site = tmp_path / "site.json"
    runtime = f"{mount.folder}/data.example.org/apptainer"
    site.write_text(json.dumps({"node": {"runtime": runtime, "deadline": 2}}))
    ran = jobwrap.run("--site", site, "--image", "htc/debian:12", "--", "true")
    assert (ran.code, ran.record["container"]["runtime"][0]) == (0, "/usr/bin/apptainer")
    command = [sys.executable, REPO / "bin/jobwrap", "node", "--site", site]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/tmp").stdout
    assert f"not {runtime}: {runtime} did not answer within 2 s" in told


@pytest.mark.node
def test_a_mount_that_answers_is_looked_at_like_any_other(mount, tmp_path):
    mount()
    path = f"{mount.folder}/data.example.org:/usr/bin"
    assert os.path.ismount(mount.folder / "data.example.org")
    assert find_runtime({"PATH": path}, {}, deadline=10) == (
        Runtime("/usr/bin/apptainer", "apptainer", "PATH"),
        (),
    )

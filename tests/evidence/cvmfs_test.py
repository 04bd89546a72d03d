"""A repository that fails under a task, on a FUSE file system that plays CVMFS."""

import os
import shutil
import subprocess

import pytest

from tests.conftest import TREE
from tests.node.conftest import mount  # noqa: F401
from tests.run_test import wait_for

pytestmark = pytest.mark.node


@pytest.mark.parametrize(
    ("later", "evidence"),
    [
        ({"attributes": {"nioerr": 7}}, "data.example.org had 2 I/O errors while the task ran"),
        ({"mode": "eio"}, "data.example.org stopped working: Input/output error"),
        ({"attributes": {"nioerr": 5}}, None),
    ],
)
def test_what_cvmfs_did_under_a_failed_task_is_evidence_against_the_site(
    jobwrap,
    mount,  # noqa: F811
    tmp_path,
    later,
    evidence,
):
    mount(attributes={"nioerr": 5})
    image = shutil.copytree(f"{TREE}/htc/static:1/", tmp_path / "image", symlinks=True)
    words = ("--image", image, "--input", "ref=/cvmfs/data.example.org/file", "--", "/bin/report")
    environ = {"CVMFS_MOUNT_DIR": str(mount.folder)}
    process = jobwrap.start(*words, "--sleep", "2", "--exit", "4", environ=environ)
    assert process.stdout.readline() == b"cwd=/srv\n"
    mount(**later)
    ran = jobwrap.end(process)
    assert (ran.code, ran.record["end"]["failure"]) == (4, "task.failed")
    if evidence is None:
        assert (ran.record["end"]["evidence"], ran.record["end"]["guess"]) == ([], None)
        return
    assert ran.record["end"]["evidence"] == [f"{mount.folder}/{evidence}"]
    assert (ran.record["end"]["guess"]["who"], ran.record["end"]["guess"]["advice"]) == ("site", "elsewhere")


MAPPED = """
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
int main(void) {
    volatile char *page = mmap(0, 4096, PROT_READ, MAP_PRIVATE, open("ref", O_RDONLY), 0);
    puts("mapped");
    fflush(stdout);
    while (access("go", F_OK)) usleep(10000);
    return page[0];
}
"""


def test_a_page_of_cvmfs_that_is_lost_under_a_task_is_held_against_the_site(jobwrap, mount, tmp_path):  # noqa: F811
    words = ["gcc", "-static", "-x", "c", "-", "-o", jobwrap.scratch / "mapped"]
    subprocess.run(words, input=MAPPED, text=True, check=True)
    mount(attributes={"nioerr": 5})
    image = shutil.copytree(f"{TREE}/htc/static:1/", tmp_path / "image", symlinks=True)
    words = ("--image", image, "--input", "ref=/cvmfs/data.example.org/file", "--", "./mapped")
    process = jobwrap.start(*words, environ={"CVMFS_MOUNT_DIR": str(mount.folder)})
    assert process.stdout.readline() == b"mapped\n"
    mount(mode="eio")
    (jobwrap.scratch / "go").touch()
    end = jobwrap.end(process).record["end"]
    assert (end["code"], end["signal"], end["failure"]) == (135, 7, "task.killed")
    assert end["evidence"] == [f"{mount.folder}/data.example.org stopped working: Input/output error"]
    assert end["guess"]["sentence"] == "CVMFS failed under the task; run it again on another node"


def test_a_container_that_cannot_start_for_want_of_cvmfs_is_charged_to_that(jobwrap, mount, tmp_path):  # noqa: F811
    image = shutil.copytree(f"{TREE}/htc/static:1/", tmp_path / "image", symlinks=True)
    late = tmp_path / "bin"
    late.mkdir()
    # Apptainer, a moment after the repository has failed.
    (late / "apptainer").write_text(
        f'#!/bin/sh\ncat {tmp_path}/go >/dev/null\nexec /usr/bin/apptainer "$@"\n'
    )
    (late / "apptainer").chmod(0o755)
    os.mkfifo(tmp_path / "go")
    words = ("--image", image, "--input", "ref=/cvmfs/data.example.org/file", "--", "/bin/report")
    environ = {"CVMFS_MOUNT_DIR": str(mount.folder), "PATH": f"{late}:{os.environ['PATH']}"}
    process = jobwrap.start(*words, environ=environ)
    wait_for(lambda: (jobwrap.record() or {}).get("phase") == "task")
    mount(mode="eio")
    (tmp_path / "go").write_text("")
    ran = jobwrap.end(process)
    assert (ran.code, ran.record["end"]["failure"]) == (69, "site.cvmfs_broken")

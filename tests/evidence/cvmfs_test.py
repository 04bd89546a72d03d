"""A repository that fails under a task, on a FUSE file system that plays CVMFS."""

import os
import shutil

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

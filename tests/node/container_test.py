"""What jobwrap was started inside, and whether it could make user namespaces there."""

import ctypes
import errno
import os
import subprocess
from pathlib import Path

import pytest

from jobwrap.node.container import find_container
from jobwrap.node.namespaces import Namespaces, find_namespaces, try_namespaces

REPOSITORY = Path(__file__).parents[2]
IMAGES = Path("/cvmfs/singularity.opensciencegrid.org/htc")


def tree(folder, files):
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return str(folder)


@pytest.mark.parametrize(
    ("files", "environ", "kind"),
    [
        ({}, {}, ""),
        ({".singularity.d/env": ""}, {"APPTAINER_CONTAINER": "", "SINGULARITY_CONTAINER": ""}, "apptainer"),
        ({".singularity.d/env": ""}, {"SINGULARITY_CONTAINER": "/i"}, "singularity"),
        ({".singularity.d/env": "", ".dockerenv": ""}, {}, "apptainer"),
        ({}, {"APPTAINER_CONTAINER": "/i"}, ""),
        ({".dockerenv": ""}, {}, "docker"),
        ({"run/.containerenv": ""}, {}, "podman"),
        ({"var/run/secrets/kubernetes.io/x": "", ".dockerenv": ""}, {}, "kubernetes"),
        ({"proc/1/cgroup": "1:cpu:/kubepods/burstable/pod1"}, {}, "kubernetes"),
        ({"proc/1/cgroup": "0::/"}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "kubernetes"),
        ({"proc/1/cgroup": "1:cpu:/docker/0123"}, {}, "docker"),
        ({"proc/1/cgroup": "1:cpu:/lxc/a"}, {}, "lxc"),
        ({"proc/1/cgroup": "0::/", "run/systemd/container": "systemd-nspawn"}, {}, "systemd-nspawn"),
    ],
)  # fmt: skip
def test_a_container_is_known_by_what_it_leaves(files, environ, kind, tmp_path):
    assert find_container(environ, tree(tmp_path, files)) == kind


@pytest.mark.node
def test_a_real_container_knows_that_it_is_one():
    (image,) = IMAGES.glob("numpy:*")
    program = (
        "import os; from jobwrap.node.container import find_container; print(find_container(os.environ))"
    )
    command = ["apptainer", "exec", "--cleanenv", "--bind", f"{REPOSITORY}", "--pwd", f"{REPOSITORY}", image]
    inside = subprocess.run([*command, "python3", "-c", program], check=True, capture_output=True, text=True)
    assert inside.stdout.strip() == "apptainer"
    assert find_container(os.environ) == ""


GOOD = {"proc/self/ns/user": "", "proc/sys/user/max_user_namespaces": "100\n"}


@pytest.mark.parametrize(
    ("files", "answer"),
    [
        (GOOD, (True, "")),
        ({"proc/self/ns/pid": ""}, (False, "the kernel has no user namespaces")),
        ({**GOOD, "proc/sys/user/max_user_namespaces": "0\n"}, (False, "user.max_user_namespaces is 0")),
        (
            {**GOOD, "proc/sys/kernel/unprivileged_userns_clone": "0\n"},
            (False, "kernel.unprivileged_userns_clone is 0"),
        ),
        (
            {**GOOD, "proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"},
            (
                False,
                "kernel.apparmor_restrict_unprivileged_userns is 1, and no runtime has an AppArmor profile",
            ),
        ),
        (
            {
                **GOOD,
                "proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
                "etc/apparmor.d/apptainer": "",
            },
            (True, "kernel.apparmor_restrict_unprivileged_userns is 1, and apptainer has a profile"),
        ),
        (
            {**GOOD, "proc/self/status": "Name:\tx\nSeccomp:\t2\n"},
            (None, "a seccomp filter may forbid them, as docker's does"),
        ),
    ],
)
def test_the_kernels_settings_tell_whether_user_namespaces_are_possible(files, answer, tmp_path):
    assert find_namespaces(tree(tmp_path, files)) == answer


@pytest.mark.node
def test_on_the_worker_node_they_are_possible_by_its_settings_and_by_a_try():
    assert find_namespaces() == Namespaces(True, "")
    assert try_namespaces() == Namespaces(True, "")


@pytest.mark.node
def test_where_they_are_forbidden_a_try_says_so():
    """In a namespace whose limit is zero, as a site's sysctl sets it."""
    program = """if True:
        from jobwrap.node.namespaces import find_namespaces, try_namespaces
        print(find_namespaces().why, try_namespaces().why, sep="; ")
        """
    inner = f"echo 0 >/proc/sys/user/max_user_namespaces && exec python3 -c '{program}'"
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", inner],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == (
        "user.max_user_namespaces is 0; unshare: No space left on device (there are too many already)"
    )


def test_a_refusal_is_told_with_its_error(monkeypatch):
    class Refuses:
        def unshare(self, flags):
            ctypes.set_errno(errno.EPERM)
            return -1

    monkeypatch.setattr(ctypes, "CDLL", lambda *args, **more: Refuses())
    assert try_namespaces() == Namespaces(False, "unshare: Operation not permitted")

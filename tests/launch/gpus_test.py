"""Only the granted GPUs' nodes can be opened inside: real Apptainer, with nodes that are none of a GPU's.

bubblewrap makes a /dev for it with /dev/null under their names, as no test may make device nodes; those
of AMD are plain files, since a folder with mounts in it cannot be bound by a second user namespace.
"""

import subprocess

import pytest

from jobwrap.job.spec import Job
from jobwrap.launch.command import container_command
from jobwrap.launch.instance import Instance
from jobwrap.launch.mounts import Mount, cover_nodes
from jobwrap.node.runtime import Runtime
from tests.conftest import TREE

pytestmark = pytest.mark.node
NVIDIA = ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm")
RENDER = ("renderD128", "renderD129")


def inside(scratch, gpus, covered, script):
    """What a script says in a container of Apptainer's that jobwrap starts on such a node."""
    (scratch / ".jobwrap").mkdir()
    (scratch / ".jobwrap/nothing").touch(mode=0)
    mounts = cover_nodes(Job(("true",), scratch=str(scratch)), covered)
    image = f"{TREE}/htc/debian:12"
    runtime = Runtime("/usr/bin/apptainer", "apptainer", "a test")
    instance = Instance(runtime, image, "sandbox", "/", mounts, gpus, "host", 10)
    return said(scratch, instance, script)


def said(scratch, instance, script):
    words, _ = container_command(instance)
    (scratch / "dri").mkdir()
    for name in RENDER:
        (scratch / "dri" / name).touch()
    nodes = (word for name in (*NVIDIA, "kfd") for word in ("--dev-bind", "/dev/null", f"/dev/{name}"))
    machine = (
        "bwrap",
        "--dev-bind",
        "/",
        "/",
        "--dev",
        "/dev",
        *nodes,
        "--bind",
        scratch / "dri",
        "/dev/dri",
    )
    ran = subprocess.run(
        [*machine, *words, "sh", "-c", script], cwd=scratch, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


@pytest.mark.parametrize(
    ("gpus", "mine", "others"),
    [("nvidia", "/dev/nvidia1", "/dev/nvidia0"), ("amd", "/dev/dri/renderD129", "/dev/dri/renderD128")],
)
def test_a_gpu_of_others_cannot_be_opened_nor_uncovered(tmp_path, gpus, mine, others):
    script = f"""
        open() {{ (exec 3<>$1) 2>/dev/null && echo open || echo closed; }}
        open {mine}; open {others}
        chmod 666 {others} 2>/dev/null; rm -f {others} 2>/dev/null; open {others}
        as_root() {{ unshare -rm "$@" 2>/dev/null; }}
        as_root umount {others}; as_root mount -o remount,rw,bind {others}
        as_root sh -c 'umount -l {others}; exec 3<>{others} && echo open'
        echo end"""
    assert inside(tmp_path, gpus, [others], script) == ["open", "closed", "closed", "end"]


@pytest.mark.parametrize("gpus", ["", "nvidia", "amd"])
def test_a_task_sees_no_gpu_of_another_maker_and_none_without_a_grant(tmp_path, gpus):
    said = inside(tmp_path, gpus, [], "ls /dev; ls /dev/dri 2>/dev/null; true")
    nvidias, amds = set(NVIDIA), {"kfd", *RENDER}
    wanted = {"": set(), "nvidia": nvidias, "amd": amds}[gpus]
    assert set(said) & (nvidias | amds) == wanted


def test_bubblewrap_gives_a_task_its_nodes_alone_and_the_drivers_libraries(tmp_path):
    library = tmp_path / "libcuda.so.1"
    library.write_text("the driver's")
    mounts = tuple(Mount(f"/dev/{name}", f"/dev/{name}", True) for name in ("nvidia1", "nvidiactl"))
    image = f"{TREE}/htc/debian:12"
    bwrap = Runtime("/usr/bin/bwrap", "bwrap", "a test")
    instance = Instance(bwrap, image, "sandbox", "/", mounts, "nvidia", "host", 10, (str(library),))
    script = """
        ls /dev | grep nvidia; (exec 3<>/dev/nvidia1) && echo open
        for folder in $(echo $LD_LIBRARY_PATH | tr : ' '); do cat $folder/libcuda.so.1 && break; done
        touch $folder/x 2>/dev/null || echo refused"""
    assert said(tmp_path, instance, script) == [
        "nvidia1",
        "nvidiactl",
        "open",
        "the driver'srefused",
    ]

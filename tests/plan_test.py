"""What a plan binds of a node's GPUs, by runtime."""

from types import SimpleNamespace

import pytest

from jobwrap import plan
from jobwrap.image import nvidia
from jobwrap.image.nvidia import Driver
from jobwrap.job.spec import Job
from jobwrap.launch.mounts import Mount
from jobwrap.node import gpunodes
from jobwrap.node.gpu import Gpus
from jobwrap.node.gpunodes import Nodes
from jobwrap.settings import Settings

JOB = Job(("true",), scratch="/s")
COVER = Mount("/s/.jobwrap/nothing", "/dev/nvidia0")
DEVICES = tuple((f"/dev/{name}", f"/dev/{name}") for name in ("nvidia0", "nvidia1", "nvidiactl"))
KNOWN = Nodes(("/dev/nvidiactl", "/dev/nvidia1"), ("/dev/nvidia0",))
OWN = tuple(Mount(f"/dev/{name}", f"/dev/{name}", True) for name in ("nvidia1", "nvidiactl"))


class Image(SimpleNamespace):
    def _replace(self, **fields):
        return Image(**{**vars(self), **fields})


@pytest.fixture
def bound(monkeypatch):
    """The mounts and the driver of a task that was granted the second of two GPUs."""
    monkeypatch.setattr(nvidia, "host_libraries", lambda machine: ("/usr/lib/libcuda.so.1",))
    monkeypatch.setattr(nvidia, "host_driver", lambda _, libraries, search: Driver(libraries, DEVICES))

    def bound(runtime, gpus=("GPU-b",), vendor="nvidia", nodes=KNOWN, driver=None):
        monkeypatch.setattr(gpunodes, "find_nodes", lambda *_: nodes)
        node = SimpleNamespace(
            gpus=Gpus(vendor, gpus, ()), runtime=SimpleNamespace(name=runtime), machine="x86_64"
        )
        image = plan._with_driver(Image(driver=driver), node)
        return plan._gpu_mounts(JOB, node, Settings(), image), image.driver

    return bound


def test_apptainer_finds_the_driver_itself_and_the_gpus_of_others_are_covered(bound):
    assert bound("apptainer") == (((COVER,), ()), None)


def test_bubblewrap_is_told_the_driver_and_gets_no_node_of_others(bound):
    assert bound("bwrap") == ((OWN, ()), (("/usr/lib/libcuda.so.1",), DEVICES))


def test_where_nobody_knows_whose_node_is_whose_all_are_there_and_the_plan_says_so(bound):
    (mounts, why), _ = bound("bwrap", nodes=Nodes(why="not known"))
    assert ([mount.source for mount in mounts], why) == ([source for source, _ in DEVICES], ("not known",))
    assert bound("apptainer", nodes=Nodes(why="not known"))[0] == ((), ("not known",))


def test_what_the_site_left_out_of_the_driver_stays_left_out(bound):
    left = ((), (*DEVICES, ("/opt/nvidia-smi", "/usr/bin/nvidia-smi")))
    (mounts, _), driver = bound("apptainer", driver=left)
    assert (mounts[-2:], driver) == ((Mount("/opt/nvidia-smi", "/usr/bin/nvidia-smi"), COVER), left)
    assert bound("bwrap", driver=left) == ((OWN, ()), left)


@pytest.mark.parametrize(("gpus", "vendor"), [((), "nvidia"), (("GPU-b",), "amd")])
def test_bubblewrap_is_told_no_driver_without_a_gpu_of_nvidias(bound, gpus, vendor):
    assert bound("bwrap", gpus, vendor)[1] is None


@pytest.mark.parametrize(
    ("asked", "path", "judged"),
    [
        ("/", "/", True),
        ("./image", "/s/image", True),
        ("image.sif", "/s/image.sif", True),
        ("file:///home/x", "/home/x", True),
        ("/cvmfs/images/x", "/cvmfs/images/x", False),
        ("/trees/x", "/trees/x", False),
        ("htc/debian:12", "/elsewhere/x", False),  # of the site's catalog
        ("osdf:///x.sif", "/s/.jobwrap/image.sif", False),
        ("/opt/default.sif", "/opt/default.sif", False),
    ],
)
def test_an_image_that_a_job_names_by_its_path_is_judged_as_a_bind_is(asked, path, judged):
    settings = Settings(image_trees=("/trees",), default_image="/opt/default.sif")
    found = plan._named_path(Image(asked=asked, path=path), SimpleNamespace(cvmfs="/cvmfs"), settings)
    assert found == ((path,) if judged else ())

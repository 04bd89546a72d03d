"""Which device nodes are a job's, by recorded trees with nodes of the tests' own; not tested on hardware."""

import shutil

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.node import nvidia
from jobwrap.node.gpu import Gpus
from jobwrap.node.gpunodes import Nodes, find_nodes
from tests.node.gpu_test import SLICE, TREES, A, B

AMDS = ("GPU-8f3d7b2c5a1e4f60", "GPU-1122334455667788")
AMD_NODES = ("dri/renderD128", "dri/card0", "dri/renderD129", "dri/card1")


@pytest.fixture
def node(tmp_path):
    """A tree with device nodes, which are plain files here."""

    def make(tree, *nodes):
        shutil.copytree(TREES / tree, tmp_path / "node")
        for name in nodes:
            (tmp_path / "node/dev" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "node/dev" / name).touch()
        return tmp_path / "node"

    return make


@pytest.fixture
def nvidias(node):
    return node("two-a100", "nvidiactl", "nvidia0", "nvidia1", "nvidia-uvm", "nvidia2")


@pytest.fixture
def amds(node):
    root = node("mi250", "kfd", *AMD_NODES)
    for number, card in ((128, 0), (129, 1)):
        (root / f"sys/class/drm/renderD{number}/device/drm/card{card}").mkdir(parents=True)
        facts = root / f"sys/class/kfd/kfd/topology/nodes/{number - 126}/properties"
        facts.write_text(f"{facts.read_text()}drm_render_minor {number}\n")
    return root


def found(root, *granted, vendor="nvidia", source="CUDA_VISIBLE_DEVICES"):
    return find_nodes(Gpus(vendor, granted, (), source), 10, str(root))


def failure(*arguments, **more):
    with pytest.raises(JobwrapError) as raised:
        found(*arguments, **more)
    return raised.value.failure.name, raised.value.sentence


@pytest.mark.parametrize(
    ("granted", "mine", "others"),
    [
        ((A,), ["/dev/nvidia0"], ["/dev/nvidia1"]),
        ((B,), ["/dev/nvidia1"], ["/dev/nvidia0"]),
        ((B.upper().replace("GPU-8F1C", "GPU-8f1c"),), ["/dev/nvidia1"], ["/dev/nvidia0"]),
        (("GPU-8f1c2b99",), ["/dev/nvidia1"], ["/dev/nvidia0"]),
        ((f"MIG-{A}/1/0",), ["/dev/nvidia0"], ["/dev/nvidia1"]),
        ((B, A), ["/dev/nvidia0", "/dev/nvidia1"], []),
        (("0", "1"), ["/dev/nvidia0", "/dev/nvidia1"], []),
    ],
)
def test_by_a_uuid_nvidias_nodes_are_told_apart(nvidias, granted, mine, others):
    assert found(nvidias, *granted) == Nodes(("/dev/nvidiactl", *mine), tuple(others))


@pytest.mark.parametrize("granted", ["0", "CUDA1", "GPU-8f1c2", SLICE, "GPU-"])
def test_a_name_that_could_mean_another_gpu_covers_none(nvidias, granted, monkeypatch):
    monkeypatch.setattr(nvidia, "ask", lambda: None)
    nodes = found(nvidias, granted)
    assert nodes[:2] == ((), ())
    assert nodes.why.startswith("CUDA_VISIBLE_DEVICES does not tell which")


def test_a_slices_gpu_is_the_one_that_the_library_tells(nvidias, monkeypatch):
    monkeypatch.setattr(nvidia, "ask_parents", lambda: {SLICE: B})
    assert found(nvidias, SLICE) == Nodes(("/dev/nvidiactl", "/dev/nvidia1"), ("/dev/nvidia0",))


def test_by_a_unique_id_amds_nodes_are_told_apart(amds):
    nodes = found(amds, AMDS[1], vendor="amd")
    assert nodes.granted == ("/dev/kfd", "/dev/dri/renderD129", "/dev/dri/card1")
    assert nodes.others == ("/dev/dri/renderD128", "/dev/dri/card0")


@pytest.mark.parametrize("missing", ["nvidiactl", "nvidia0"])
def test_a_granted_gpu_without_its_node_is_no_gpu(nvidias, missing):
    (nvidias / "dev" / missing).unlink()
    assert failure(nvidias, A) == (
        "site.gpu_broken",
        f"the GPUs of this node do not work (there is no /dev/{missing}); the site must look at them",
    )


def test_a_node_that_may_not_be_opened_is_told_before_the_task_finds_out(nvidias, monkeypatch):
    monkeypatch.setattr("os.access", lambda path, _: "nvidia0" not in path)
    assert "/dev/nvidia0 may not be opened by this user" in failure(nvidias, A)[1]


def test_a_gpu_of_others_that_has_no_node_here_needs_no_cover(nvidias):
    (nvidias / "dev/nvidia1").unlink()
    assert found(nvidias, A).others == ()

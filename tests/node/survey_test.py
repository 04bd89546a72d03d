"""One look at the machine: what it says of this one, and that odd input never makes it fail."""

import os

import pytest

from jobwrap.node.survey import survey


def test_this_machine_is_what_the_kernel_says(tmp_path):
    node = survey(os.environ, {}, str(tmp_path))
    system = os.uname()
    assert (node.hostname, node.machine, node.kernel) == (system.nodename, system.machine, system.release)
    assert node.slot.cpus <= len(os.sched_getaffinity(0))
    assert node.slot.free_disk > 0 and node.slot.writable and node.slot.executable


@pytest.mark.parametrize("root", ["/nonexistent", "/proc/self/fd", "/dev/null"])
def test_a_machine_that_tells_nothing_is_unknown(root):
    node = survey({"PATH": ":\0:/bin", "CUDA_VISIBLE_DEVICES": ",,"}, {"cpus": "x"}, "/no\0where", root=root)
    assert (node.cpu.level, node.gpus.granted, node.runtime, node.slot.cpus) == (None, (), None, None)
    assert not node.slot.writable and not node.slot.executable

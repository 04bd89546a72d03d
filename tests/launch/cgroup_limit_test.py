"""A cgroup that may not be divided stays whole. That another can be was seen by hand: see the module."""

import os

import pytest

from jobwrap.launch import cgroup_limit
from jobwrap.launch.cgroup_limit import divide


def test_a_cgroup_with_others_in_it_is_not_divided():
    assert divide(os.getpid(), 1 << 30) is None


@pytest.mark.parametrize("there", [(), ("cgroup.procs",), ("cgroup.procs", "cgroup.subtree_control")])
def test_what_the_kernel_refuses_half_way_is_undone(tmp_path, monkeypatch, there):
    monkeypatch.setattr(cgroup_limit, "own_v2_folder", lambda me: str(tmp_path))
    for name in there:
        (tmp_path / name).touch()
    assert divide(os.getpid(), 1 << 30) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(there)

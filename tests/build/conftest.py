"""The shipped file, as bin/build makes it."""

import os

import pytest

from tests.build.shipping import PLACES, REPO, build, copy_of_tree


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """The sources as they are now: others may be at work on them."""
    return copy_of_tree(REPO, tmp_path_factory.mktemp("tree") / "jobwrap")


@pytest.fixture(scope="session")
def shipped(request):
    """On the worker node, where nothing can be built, it is dist/jobwrap."""
    if "JOBWRAP_ON_WORKER_NODE" in os.environ:
        return REPO / "dist/jobwrap"
    target = request.getfixturevalue("tmp_path_factory").mktemp("shipped") / "jobwrap"
    build(request.getfixturevalue("tree"), target)
    return target


@pytest.fixture
def anywhere(shipped, tmp_path):
    """A copy that looks for its Python in PATH alone; the copy is as long, as it knows its own places."""
    path = tmp_path / "jobwrap"
    path.write_bytes(shipped.read_bytes().replace(PLACES, b" " * len(PLACES)))
    path.chmod(0o755)
    return path

"""jobwrap's own folder in scratch."""

import pytest

from jobwrap.control import Control
from jobwrap.failures import JobwrapError


def test_a_link_in_its_place_is_not_followed(tmp_path):
    elsewhere, scratch = tmp_path / "elsewhere", tmp_path / "scratch"
    elsewhere.mkdir()
    scratch.mkdir()
    (scratch / ".jobwrap").symlink_to(elsewhere)
    with pytest.raises(JobwrapError, match="is a link"):
        Control(str(scratch)).open()
    assert list(elsewhere.iterdir()) == []


def test_it_is_gone_with_all_that_a_task_left_in_it(tmp_path):
    control = Control(str(tmp_path))
    control.open()
    hidden = tmp_path / ".jobwrap/tmp/hidden"
    hidden.mkdir()
    (hidden / "file").write_text("x")
    hidden.chmod(0)
    control.remove()
    assert list(tmp_path.iterdir()) == []

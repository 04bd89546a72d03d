"""Links are followed in the view of who follows them, never in the node's."""

import os

import pytest

from jobwrap.image.files import Files
from jobwrap.image.view import cvmfs_at, view_of


@pytest.fixture
def image(tmp_path):
    for folder in ("image/usr/lib", "scratch"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "image/usr/lib/x").write_text("the image's")
    (tmp_path / "image/lib").symlink_to("/usr/lib")
    return tmp_path / "image"


def test_an_absolute_link_resolves_inside_the_image(image):
    assert view_of(("/", str(image))).find("/lib/x") == f"{image}/usr/lib/x"


def test_no_number_of_dots_leads_out_of_the_image(image):
    (image / "up").symlink_to("../../../../../../usr/lib/x")
    assert view_of(("/", str(image))).find("/lib/../../../up") == f"{image}/usr/lib/x"


def test_a_link_to_a_file_of_the_node_is_dangling_inside_the_image(image):
    (image / "passwd").symlink_to("/etc/passwd")
    assert Files(view_of(("/", str(image)))).text("/passwd") == ""


def test_a_loop_of_links_is_an_error_and_not_the_end_of_us(image):
    (image / "a").symlink_to("/b")
    (image / "b").symlink_to("a")
    with pytest.raises(OSError, match="Too many levels"):
        view_of(("/", str(image))).find("/a/x")


def test_a_bind_covers_what_the_image_has_there(image, tmp_path):
    (tmp_path / "scratch/x").write_text("the task's")
    view = view_of(("/", str(image)), ("/usr/lib", str(tmp_path / "scratch")))
    assert Files(view).text("/lib/x") == "the task's"


def test_a_link_to_cvmfs_is_followed_where_cvmfs_is_mounted(tmp_path):
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo/tag").symlink_to("/cvmfs/repo/content")
    (tmp_path / "repo/content").write_text("x")
    view = cvmfs_at(str(tmp_path))
    assert view.real("/cvmfs/repo/tag") == "/cvmfs/repo/content"
    assert view.seen(f"{tmp_path}/repo/tag") == "/cvmfs/repo/tag"


def test_neither_a_fifo_nor_a_device_is_waited_on(image):
    os.mkfifo(image / "fifo")
    files = Files(view_of(("/", str(image)), ("/dev", "/dev")))
    assert (files.text("/fifo"), files.text("/dev/zero")) == ("", "")


def test_no_more_is_read_than_the_limit_whatever_is_there(image):
    with open(image / "large", "wb") as file:
        file.truncate(1 << 40)
    files = Files(view_of(("/", str(image))), most=10_000)
    for _ in range(5):
        files.text("/large", limit=1 << 30)
    assert files.left == 0


def test_a_file_beyond_every_size_is_read_as_its_end(image):
    assert Files(view_of(("/", str(image)))).parse("/lib/x", lambda at: at(1 << 70, 10)) == b""

"""Archives of friends and strangers: what comes out, and what is refused without a trace."""

import io
import os
import stat
import tarfile
import zipfile

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.transfer.fetch import Wanted, fetch_all

CONTENT = b"content\n" * 1000


def member(name, kind=tarfile.REGTYPE, target="", mode=0o644, content=CONTENT):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, mode
    info.size = len(content) if kind == tarfile.REGTYPE else 0
    return info, io.BytesIO(content)


def make_tar(path, *members, mode="w"):
    with tarfile.open(path, mode) as tar:
        for info, content in members:
            tar.addfile(info, content)
    return path


def unpack(archive, tmp_path):
    wanted = Wanted("data", (str(archive),), None, str(tmp_path / "data"), unpack=True)
    (fetched,) = fetch_all([wanted])
    return fetched


def tree(folder):
    return sorted(
        os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names
    )


@pytest.mark.parametrize(
    ("mode", "name"), [("w", "a.tar"), ("w:gz", "a.tgz"), ("w:bz2", "a.tar.bz2"), ("w:xz", "a.txz")]
)
def test_a_tar_comes_out_whole(mode, name, tmp_path):
    members = [
        member("top", tarfile.DIRTYPE, mode=0o755),
        member("top/run.sh", mode=0o6775),
        member("./top/data", mode=0o600),
        member("top/link", tarfile.SYMTYPE, "data"),
        member("top/deep/again", tarfile.LNKTYPE, "top/data"),
        member("no/folder/of/its/own"),
    ]
    archive = make_tar(tmp_path / name, *members, mode=mode)
    assert unpack(archive, tmp_path).bytes == archive.stat().st_size
    data = tmp_path / "data"
    assert tree(data) == ["no/folder/of/its/own", "top/data", "top/deep/again", "top/link", "top/run.sh"]
    assert (data / "top/link").read_bytes() == (data / "top/deep/again").read_bytes() == CONTENT
    assert stat.S_IMODE((data / "top/run.sh").stat().st_mode) == 0o755
    assert stat.S_IMODE((data / "top/data").stat().st_mode) == 0o600
    assert sorted(os.listdir(tmp_path)) == sorted([name, "data"])


def test_a_zip_comes_out_whole(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("top/data", CONTENT)
        file.mkdir("empty") if hasattr(file, "mkdir") else file.writestr("empty/", b"")
        link = zipfile.ZipInfo("top/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "data")
    unpack(tmp_path / "a.zip", tmp_path)
    assert (tmp_path / "data/top/link").read_bytes() == CONTENT
    assert (tmp_path / "data/empty").is_dir()


def test_a_later_member_takes_the_place_of_an_earlier_one(tmp_path):
    archive = make_tar(tmp_path / "a.tar", member("x", content=b"old"), member("x", content=b"new"))
    unpack(archive, tmp_path)
    assert (tmp_path / "data/x").read_bytes() == b"new"


@pytest.mark.parametrize(
    "members",
    [
        [member("../evil")],
        [member("ok/../../evil")],
        [member("/tmp/evil")],
        [member("link", tarfile.SYMTYPE, "/etc")],
        [member("link", tarfile.SYMTYPE, "../..")],
        [member("a/link", tarfile.SYMTYPE, "../../evil")],
        [member("hard", tarfile.LNKTYPE, "/etc/passwd")],
        [member("hard", tarfile.LNKTYPE, "../../etc/passwd")],
        [member("hard", tarfile.LNKTYPE, "absent")],
        [member("fifo", tarfile.FIFOTYPE)],
        [member("null", tarfile.CHRTYPE)],
        [member("disk", tarfile.BLKTYPE)],
    ],
)
def test_what_leads_outside_or_is_no_file_is_refused(members, tmp_path):
    archive = make_tar(tmp_path / "a.tar", member("first"), *members)
    with pytest.raises(JobwrapError) as raised:
        unpack(archive, tmp_path)
    assert raised.value.failure.name == "input.archive"
    assert os.listdir(tmp_path) == ["a.tar"]


def test_nothing_is_written_through_a_link_of_the_archive_itself(tmp_path):
    """The link is made after all else, so `way` is a folder when the file comes, and cannot be the link."""
    archive = make_tar(
        tmp_path / "a.tar",
        member("folder/x"),
        member("way", tarfile.SYMTYPE, "folder"),
        member("way/x", content=b"evil"),
    )
    with pytest.raises(JobwrapError):
        unpack(archive, tmp_path)
    assert os.listdir(tmp_path) == ["a.tar"]


@pytest.mark.parametrize("names", [["../evil"], ["/evil"], ["a/../../evil"]])
def test_a_zip_that_leads_outside_is_refused(names, tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for name in names:
            file.writestr(name, CONTENT)
    with pytest.raises(JobwrapError):
        unpack(tmp_path / "a.zip", tmp_path)
    assert os.listdir(tmp_path) == ["a.zip"]


@pytest.mark.parametrize("damage", ["text", "cut", "flipped", "zip"])
def test_what_is_no_archive_or_a_broken_one_is_refused(damage, tmp_path):
    whole = make_tar(
        tmp_path / "whole.tgz", member("x", content=os.urandom(100_000)), mode="w:gz"
    ).read_bytes()
    (tmp_path / "whole.tgz").unlink()
    broken = {
        "text": b"this is no archive",
        "cut": whole[: len(whole) // 2],
        "flipped": whole[:50_000] + bytes([whole[50_000] ^ 255]) + whole[50_001:],
        "zip": b"PK\x05\x06" + bytes(18),
    }[damage]
    (tmp_path / "a").write_bytes(broken)
    if damage == "zip":
        unpack(tmp_path / "a", tmp_path)  # an empty one
        assert os.listdir(tmp_path / "data") == []
        return
    with pytest.raises(JobwrapError) as raised:
        unpack(tmp_path / "a", tmp_path)
    assert raised.value.failure.name == "input.archive"
    assert os.listdir(tmp_path) == ["a"]


def test_a_broken_archive_leads_to_the_next_place(tmp_path):
    good = make_tar(tmp_path / "good.tar", member("x"))
    evil = make_tar(tmp_path / "evil.tar", member("first"), member("../evil"))
    wanted = Wanted("data", (str(evil), str(good)), None, str(tmp_path / "data"), unpack=True)
    (fetched,) = fetch_all([wanted])
    assert fetched.source == str(good) and tree(tmp_path / "data") == ["x"]
    assert sorted(os.listdir(tmp_path)) == ["data", "evil.tar", "good.tar"]


def test_an_encrypted_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("x", CONTENT)
    content = bytearray((tmp_path / "a.zip").read_bytes())
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):  # the flag that says so, in both of its places
        content[content.index(mark) + (6 if mark[2] == 3 else 8)] |= 1
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(JobwrapError, match="encrypted") as raised:
        unpack(tmp_path / "a.zip", tmp_path)
    assert raised.value.failure.name == "input.archive"


def test_a_zip_with_a_flipped_bit_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("x", CONTENT)
    content = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(content.replace(CONTENT[:100], CONTENT[:99] + b"!"))
    with pytest.raises(JobwrapError, match="CRC"):
        unpack(tmp_path / "a.zip", tmp_path)

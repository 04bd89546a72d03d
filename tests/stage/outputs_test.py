"""Which files an output is, which are refused, and what is told of those that were delivered."""

import hashlib
import os
import resource

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Output
from jobwrap.stage import outputs
from jobwrap.stage.outputs import StageOut
from jobwrap.stage.scratch import Scratch
from jobwrap.transfer.credentials import identities
from jobwrap.transfer.options import Options


@pytest.fixture
def scratch(tmp_path):
    plain = ("a.txt", "b.txt", "c.log", "out/x.txt", "out/deep/y.txt")
    for name in (*plain, ".jobwrap/record.json", ".creds/t"):
        path = tmp_path / "scratch" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "scratch"


def deliver(scratch, *asked, never=frozenset()):
    """All that was delivered of outputs given as "NAME" or "NAME=URL"."""
    leaving = StageOut(tuple(Output(*each.split("=", 1)) for each in asked), str(scratch), never)
    leaving.deliver(Options())
    return leaving.delivered


def refusal(scratch, *asked, **more):
    with pytest.raises(JobwrapError) as raised:
        deliver(scratch, *asked, **more)
    return raised.value


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a.txt", ["a.txt"]),
        ("*.txt", ["a.txt", "b.txt"]),
        ("out", ["out/deep/y.txt", "out/x.txt"]),
        ("out/*.txt", ["out/x.txt"]),
        ("*/deep", ["out/deep/y.txt"]),
        ("*", ["a.txt", "b.txt", "c.log", "out/deep/y.txt", "out/x.txt"]),
        (".creds", [".creds/t"]),
        (".*", [".creds/t"]),
    ],
)
def test_an_output_is_a_file_a_folder_or_what_a_pattern_means_in_a_shell(scratch, name, found):
    assert sorted(each.name for each in deliver(scratch, name)) == found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("out={}", ["deep/y.txt", "x.txt"]),
        ("*={}", ["a.txt", "b.txt", "c.log", "out/deep/y.txt", "out/x.txt"]),
        ("out/*={}", ["deep/y.txt", "x.txt"]),
        ("*/x.txt={}", ["out/x.txt"]),
        ("out/deep/y.txt={}/", ["y.txt"]),
        ("out/deep/y.txt={}/z", ["z"]),
        ("out=file://{}/%41/", ["A/deep/y.txt", "A/x.txt"]),
    ],
)
def test_what_lies_below_the_named_folder_or_the_pattern_keeps_its_shape(scratch, tmp_path, asked, found):
    deliver(scratch, asked.format(tmp_path / "kept"))
    assert files(tmp_path / "kept") == found


def test_a_name_with_marks_of_urls_in_it_is_the_name_at_the_other_end_too(scratch, tmp_path):
    for name in ("50%25.txt", "a#b?c=d", "a b\n"):
        (scratch / "out" / name).touch()
    deliver(scratch, f"out=file://{tmp_path}/kept")
    assert {"50%25.txt", "a#b?c=d", "a b\n"} <= set(files(tmp_path / "kept"))


def test_a_name_that_looks_like_a_pattern_is_found_by_itself(scratch, tmp_path):
    (scratch / "out[1].txt").touch()
    deliver(scratch, f"out[1].txt={tmp_path}/kept")
    assert (tmp_path / "kept").is_file()


def test_of_each_file_size_checksum_seconds_and_tries_are_told(scratch, tmp_path):
    sent, left = deliver(scratch, f"a.txt={tmp_path}/a", "b.txt")
    assert (sent.name, sent.url, sent.bytes, sent.attempts) == ("a.txt", f"{tmp_path}/a", 5, 1)
    assert sent.seconds > 0
    assert sent.checksum == ("sha256", hashlib.sha256(b"a.txt").hexdigest())
    assert (left.url, left.bytes, left.attempts) == ("", 5, 0)
    assert left.checksum == ("sha256", hashlib.sha256(b"b.txt").hexdigest())


def test_much_that_stays_is_not_read_for_its_checksum(scratch, tmp_path, monkeypatch):
    monkeypatch.setattr(outputs, "_READ", 9)
    sent, *left = deliver(scratch, f"c.log={tmp_path}/c", "a.txt", "b.txt")
    assert sent.checksum and [each.checksum for each in left] == [None, None]


def test_the_same_file_for_the_same_place_is_delivered_once(scratch, tmp_path):
    assert len(deliver(scratch, f"a.txt={tmp_path}/to/", f"*.txt={tmp_path}/to/")) == 2


def test_two_files_for_one_place_are_refused(scratch, tmp_path):
    (scratch / "other").mkdir()
    (scratch / "other/x.txt").touch()
    error = refusal(scratch, f"out={tmp_path}/to", f"other={tmp_path}/to")
    assert error.failure.name == "output.refused" and "out/x.txt goes to the same place" in error.sentence
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("name", ["none", "none/x", "*.root", "a.txt/x"])
def test_what_is_not_there_is_missing_and_what_is_there_is_told(scratch, name):
    error = refusal(scratch, name)
    assert error.failure.name == "output.missing"
    assert "there is: a.txt, b.txt, c.log, out/deep/y.txt, out/x.txt" in error.sentence


def test_of_a_thousand_files_that_are_there_some_are_named(scratch):
    for index in range(1000):
        (scratch / "out" / f"{index:04}").touch()
    assert "out/0016 and 985 more" in refusal(scratch, "none").sentence


def test_a_folder_that_may_not_be_read_does_not_hide_what_is_missing(scratch):
    (scratch / "closed").mkdir(mode=0)
    assert refusal(scratch, "none").failure.name == "output.missing"


def test_a_missing_output_does_not_keep_the_others_from_leaving(scratch, tmp_path):
    words = (f"none={tmp_path}/none", f"a.txt={tmp_path}/a", "nothing", "b.txt")
    error = refusal(scratch, *words)
    assert error.failure.name == "output.missing" and "none, nothing" in error.sentence
    assert (tmp_path / "a").exists()


# --- what the task may have put there instead ---


@pytest.mark.parametrize("name", ["link", "folder/passwd", "*", "inside", "pipe", "socket"])
def test_what_is_no_plain_file_is_refused_wherever_it_stands_and_nothing_leaves(scratch, tmp_path, name):
    import socket

    (scratch / "link").symlink_to("/etc/passwd")
    (scratch / "folder").symlink_to("/etc")
    (scratch / "inside").mkdir()
    (scratch / "inside/token").symlink_to("/etc/passwd")
    os.mkfifo(scratch / "pipe")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(scratch / "socket"))
    error = refusal(scratch, f"a.txt={tmp_path}/leaked/a.txt", f"{name}={tmp_path}/leaked/")
    assert error.failure.name == "output.refused"
    assert not (tmp_path / "leaked").exists()


def test_a_folder_that_is_swapped_for_a_link_before_its_turn_is_refused(scratch, tmp_path, monkeypatch):
    """In the moment between the look at all and the delivery of the first."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "x.txt").write_text("secret")

    def swap(self, files):
        os.rename(scratch / "out", scratch / "was")
        (scratch / "out").symlink_to(secret)

    monkeypatch.setattr(StageOut, "_leave", swap)
    error = refusal(scratch, f"out/x.txt={tmp_path}/leaked")
    assert error.failure.name == "output.refused" and "a link stands in its path" in error.sentence
    assert not (tmp_path / "leaked").exists()


def replace(path):
    os.link(path.with_name("b.txt"), path.with_name("c"))
    os.rename(path.with_name("c"), path)


@pytest.mark.parametrize(("swap", "told"), [(os.unlink, "was gone"), (replace, "another file")])
def test_another_file_of_the_name_is_refused(scratch, tmp_path, monkeypatch, swap, told):
    monkeypatch.setattr(StageOut, "_leave", lambda self, files: swap(scratch / "a.txt"))
    error = refusal(scratch, f"a.txt={tmp_path}/leaked")
    assert error.failure.name == "output.refused" and told in error.sentence
    assert not (tmp_path / "leaked").exists()


def test_folders_without_a_bottom_are_refused(scratch, tmp_path):
    at = os.open(scratch / "out", os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    assert "folders in each other" in refusal(scratch, f"out={tmp_path}/leaked").sentence


def test_thousands_of_files_need_few_descriptors(scratch, tmp_path):
    for index in range(3000):
        (scratch / "out" / str(index)).write_bytes(b"%d" % index)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = len(os.listdir("/proc/self/fd")) + 56
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
    try:
        delivered = deliver(scratch, f"out={tmp_path}/kept")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert len(delivered) == 3002 and (tmp_path / "kept/2999").read_text() == "2999"


# --- secrets ---


@pytest.fixture
def secrets(scratch, tmp_path):
    """What no output may be: a proxy in scratch, as HTCondor puts it there, and what lies elsewhere."""
    (scratch / "x509up").write_text("proxy")
    (tmp_path / "token").write_text("token")
    environ = {
        "X509_USER_PROXY": str(scratch / "x509up"),
        "_CONDOR_CREDS": str(scratch / ".creds"),
        "KRB5CCNAME": f"FILE:{scratch}/c.log",
    }
    return identities(environ, more=(str(tmp_path / "token"),))


@pytest.mark.parametrize("name", ["x509up", ".creds/t", "c.log", "mine"])
def test_a_credential_is_refused_by_its_name_and_by_any_other(scratch, tmp_path, secrets, name):
    os.link(tmp_path / "token", scratch / "mine")
    error = refusal(scratch, f"{name}={tmp_path}/leaked", never=secrets)
    assert error.failure.name == "output.refused" and "credential" in error.sentence
    assert not (tmp_path / "leaked").exists()


def test_a_pattern_or_a_folder_passes_by_credentials(scratch, tmp_path, secrets):
    os.link(scratch / ".creds/t", scratch / "out/t")
    deliver(scratch, f"*={tmp_path}/kept", never=secrets)
    assert files(tmp_path / "kept") == ["a.txt", "b.txt", "out/deep/y.txt", "out/x.txt"]


def test_a_credential_is_not_among_what_is_there(scratch, secrets):
    assert "x509up" not in refusal(scratch, "none", never=secrets).sentence


def test_a_scratch_folder_that_is_gone_is_the_sites_failure(tmp_path):
    with pytest.raises(JobwrapError) as raised, Scratch(str(tmp_path / "gone")):
        raise AssertionError("it must not be open")
    assert raised.value.failure.name == "site.scratch"

"""The one table of failures, and those of them that no other test brings about."""

import re
import shutil
import struct
import subprocess
from string import Formatter

import pytest

from jobwrap import explain, failures
from jobwrap.failures import FAILURES, JobwrapError
from jobwrap.image.fit import failing, judge, refusal
from jobwrap.image.needs import Need
from jobwrap.node.survey import survey
from tests.conftest import REPO, TREE
from tests.produced import PRODUCED


def test_no_name_stands_twice_in_the_table():
    assert len(FAILURES) == len(failures._ROWS)


@pytest.mark.parametrize("failure", FAILURES.values(), ids=lambda failure: failure.name)
def test_a_row_says_who_acts_where_to_retry_and_one_sentence(failure):
    assert failure.who in {"user", "site", "data", "image", "batch", "jobwrap"}
    assert failure.advice in {"here", "elsewhere", "later", "never"}
    assert failure.action in {"requeue", "hold", "leave"}
    assert failure.code is None or 1 <= failure.code <= 127
    facts = {field: "x" for _, field, _, _ in Formatter().parse(failure.sentence) if field}
    facts["seconds"] = 1
    sentence = JobwrapError(failure.name, **facts).sentence
    assert "{" not in sentence and "\n" not in sentence
    assert not sentence.endswith(".")


def test_the_documentation_has_the_table():
    assert (REPO / "docs/failures.md").read_text() == explain.markdown()


@pytest.mark.parametrize("name", ["task.not_found", "input"])
def test_a_failure_is_explained_by_its_name_and_by_a_prefix(name, capsys):
    assert explain.main([name]) == 0
    told = capsys.readouterr().out
    assert f"\n{name}" in f"\n{told}" and "who acts" in told


def test_what_only_a_change_can_cure_is_not_requeued():
    doomed = {failure.action for failure in FAILURES.values() if failure.advice == failures.NEVER}
    assert doomed == {"hold", "leave"}


def test_what_is_no_failure_is_refused(capsys):
    assert explain.main(["no.such"]) == 64
    told = "no.such is neither a failure's name nor an exit record (No such file or directory)"
    assert capsys.readouterr().err == f"jobwrap: {told}\n"


def test_a_long_time_is_told_in_seconds_as_people_write_them():
    error = JobwrapError("limit.time", seconds=14 * 86400.0)
    assert error.sentence.startswith("the task ran longer than the 1209600 s it was given; ")


def names_in(*folders):
    """Whether the sources in the folders name a failure: as a text, or as a text that begins like it."""
    paths = [
        path for folder in folders for path in (REPO / folder).rglob("*") if path.suffix in (".py", ".in")
    ]
    sources = "\n".join(path.read_text() for path in paths if not path.name.startswith("failures"))
    beginnings = tuple(re.findall(r'f"([a-z]+\.[a-z_]*)\{', sources))
    return lambda name: re.search(rf"\b{re.escape(name)}\b", sources) or name.startswith(beginnings)


def test_the_code_raises_every_failure_of_the_table():
    assert [name for name in FAILURES if not names_in("jobwrap", "bin")(name)] == []


def test_a_test_brings_about_every_failure_of_the_table():
    """That it does is seen as it runs: tests/produced.py."""
    assert list(PRODUCED) == list(FAILURES)


@pytest.fixture
def image(tmp_path):
    """A copy of a small image that may be changed."""
    return shutil.copytree(f"{TREE}/htc/static:1/", tmp_path / "image", symlinks=True)


def test_an_image_for_gpus_of_another_vendor_is_refused(tmp_path):
    node = survey({}, {}, str(tmp_path))
    node = node._replace(gpus=node.gpus._replace(vendor="nvidia", granted=("GPU-1",)))
    unmet = failing(judge([Need("gpu", "amd", "its label org.supercontainers.gpu")], node))
    assert refusal("htc/rocm:6", unmet).failure.name == "image.needs_gpu"


@pytest.mark.node
def test_a_program_for_a_newer_kernel_is_refused(jobwrap, image, tmp_path):
    source = "int main(void) { return 0; }"
    subprocess.run(
        ["gcc", "-static", "-x", "c", "-", "-o", image / "bin/new"], input=source, text=True, check=True
    )
    tag = struct.pack("<3I4s2I", 4, 16, 1, b"GNU", 0, 3)  # NT_GNU_ABI_TAG: Linux 3
    content = (image / "bin/new").read_bytes()
    assert content.count(tag) == 1
    (image / "bin/new").write_bytes(content.replace(tag, tag[:-4] + struct.pack("<I", 99)))
    ran = jobwrap.run("--image", image, "--", "/bin/new")
    assert (ran.code, ran.record["end"]["failure"]) == (72, "image.needs_kernel")
    assert "Linux 99" in ran.stderr


def test_a_job_file_that_is_none_is_told_with_its_path(jobwrap):
    (jobwrap.scratch / "job.toml").write_text("image = \n")
    ran = jobwrap.run("--job", "job.toml")
    assert ran.code == FAILURES["job.file"].code
    assert f"the job file {jobwrap.scratch}/job.toml cannot be used: " in ran.stderr

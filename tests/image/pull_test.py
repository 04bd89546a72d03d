"""Images that lie elsewhere: brought once to this node, by their own names of failure, with their needs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.image.choose import choose
from jobwrap.image.pull import bring
from jobwrap.job.spec import Job
from jobwrap.node.survey import survey
from jobwrap.settings import Settings
from tests.conftest import REPO, TREE
from tests.image.making import machine, make_sif
from tests.servers import free_port, running, serving

REGISTRY = Path(__file__).parent / "registry.py"
# One slot of the node: brings an image and says what came.
SLOT = """
import os, sys
from jobwrap.image.choose import choose
from jobwrap.image.pull import bring
from jobwrap.job.spec import Job
from jobwrap.node.survey import survey
from jobwrap.settings import Settings
scratch, reference, cache = sys.argv[1:]
job = Job(("/bin/report",), image=reference, scratch=scratch)
settings, node = Settings(cache=cache), survey(os.environ, {}, scratch)
image = bring(choose(job, node, settings), job, node, settings, os.environ)
print(image.content_id, os.path.realpath(image.path), image.reasons[-1])
"""


def planned(image, **settings):
    job = Job(("true",), image=image, scratch="/scratch")
    return choose(job, machine("haswell", "/nonexistent"), Settings(deadline=20, **settings))


@pytest.mark.parametrize(
    "image", ["docker://a/b:1", "oras://h/a/b:1", "library://a/b/c:1", "https://h/x.sif"]
)
def test_what_lies_elsewhere_is_planned_and_nothing_is_fetched(image):
    found = planned(image)
    assert (found.pull, found.path, found.kind) == (image, "/scratch/.jobwrap/image.sif", "sif")
    assert f"{image} can change; name its sha256 digest to run the same again" in found.reasons


@pytest.mark.parametrize(
    ("settings", "rule"), [({"images": "tree"}, "policy.images"), ({"schemes": ("http",)}, "policy.schemes")]
)
def test_a_site_can_forbid_it(settings, rule):
    with pytest.raises(JobwrapError, match=rule) as raised:
        planned("oras://h/a/b:1", **settings)
    assert raised.value.failure.name == "policy.forbidden"


def test_only_a_digest_pins_it():
    job = Job(("true",), image="docker://a/b:1", scratch="/s", require_pinned=True)
    node = machine("haswell", "/nonexistent")
    with pytest.raises(JobwrapError) as raised:
        choose(job, node, Settings(deadline=20))
    assert raised.value.failure.name == "image.unpinned"
    pinned = f"docker://a/b@sha256:{'0' * 64}"
    assert choose(job._replace(image=pinned), node, Settings(deadline=20)).pull == pinned


class Here:
    """This node, as a job's slot on it."""

    def __init__(self, folder):
        self.scratch, self.cache = folder / "scratch", folder / "cache"
        self.scratch.mkdir()
        self.cache.mkdir(mode=0o755)

    def bring(self, reference, environ=(), **words):
        environ = {**os.environ, **dict(environ)}
        job = Job(("/bin/report",), image=reference, scratch=str(self.scratch), **words)
        settings = Settings(cache=str(self.cache), deadline=20)
        node = survey(environ, {}, str(self.scratch))
        return bring(choose(job, node, settings), job, node, settings, environ)

    def refused(self, reference, environ=()):
        with pytest.raises(JobwrapError) as raised:
            self.bring(reference, environ)
        assert not os.path.lexists(self.scratch / ".jobwrap/image.sif")
        return raised.value

    def objects(self):
        return [path for path in self.cache.glob("objects/*/*")]


@pytest.fixture
def here(tmp_path):
    return Here(tmp_path)


@pytest.fixture
def files(tmp_path):
    with serving(tmp_path / "files") as server:
        yield server


@pytest.mark.node
def test_a_sif_behind_a_url_is_fetched_once_and_then_in_the_cache(here, files):
    (files.root / "x.sif").write_bytes(make_sif(metadata={"labels": {"org.supercontainers.gpu": "cuda"}}))
    first = here.bring(f"{files.url}/x.sif")
    assert len(first.content_id) == 64 and first.pull == ""
    assert [row.value for row in first.needs.rows if row.what == "gpu"] == ["nvidia"]
    second = here.bring(f"{files.url}/x.sif")
    assert second.reasons[-1].endswith("in this node's cache")
    assert os.path.realpath(second.path) == str(here.objects()[0])


@pytest.mark.node
@pytest.mark.parametrize(
    ("name", "content", "digest", "failure"),
    [
        ("x.sif", make_sif(), "#sha256:" + "0" * 64, "image.broken"),
        ("none.sif", make_sif(), "", "image.not_found"),
        ("x.sif", b"no sif", "", "image.broken"),
        ("x.sif", make_sif(b"04"), "", "image.needs_cpu"),
    ],
)
def test_a_sif_that_is_not_right_is_a_failure_of_the_image(here, files, name, content, digest, failure):
    (files.root / "x.sif").write_bytes(content)
    with pytest.raises(JobwrapError) as raised:
        here.bring(f"{files.url}/{name}{digest}")
    assert raised.value.failure.name == failure


@pytest.fixture
def registry(tmp_path):
    """A registry with TLS; yields the start of its references and the environment that trusts it."""
    pem, log, port = tmp_path / "pem", tmp_path / "log", free_port()
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    words += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    words += ["-keyout", tmp_path / "key", "-out", pem]
    subprocess.run(words, check=True, capture_output=True)
    trusted = {"SSL_CERT_FILE": str(tmp_path / "trusted")}
    (tmp_path / "trusted").write_text(pem.read_text())
    pem.write_text(pem.read_text() + (tmp_path / "key").read_text())
    with running([sys.executable, REGISTRY, port, f"{TREE}/htc/static:1/", log, pem], port):
        yield f"docker://127.0.0.1:{port}/test/image", trusted, log


@pytest.mark.node
def test_a_registrys_image_is_pulled_once_however_many_slots_ask(here, registry, tmp_path):
    reference, trusted, log = registry
    environ = {**os.environ, **trusted, "PYTHONPATH": str(REPO)}
    slots = []
    for number in range(3):
        scratch = tmp_path / f"slot-{number}"
        scratch.mkdir()
        words = [sys.executable, "-c", SLOT, scratch, f"{reference}:1", here.cache]
        slots.append(subprocess.Popen(words, env=environ, stdout=subprocess.PIPE, text=True))
    said = [slot.communicate(timeout=120)[0].split(" ", 2) for slot in slots]
    assert {digest for digest, _, _ in said} == {"".join(here.objects()[0].parts[-2:])}
    assert {path for _, path, _ in said} == {str(here.objects()[0])}
    assert sorted(reason.split(" was ")[1].split(" in ")[0].strip() for _, _, reason in said) == [
        "pulled", "pulled by another slot of this node", "pulled by another slot of this node",
    ]  # fmt: skip
    manifests = [line for line in log.read_text().splitlines() if line == "GET /v2/test/image/manifests/1"]
    assert len(manifests) == 1


@pytest.mark.node
def test_a_pulled_image_runs_and_tells_its_needs(here, registry):
    reference, trusted, log = registry
    image = here.bring(f"{reference}:1", trusted)
    assert [row.value for row in image.needs.rows if row.what == "machine"] == ["x86_64"]
    assert [row.value for row in image.needs.rows if row.what == "cuda"] == ["cuda>=12.4"]
    command = ["apptainer", "-s", "exec", image.path, "/bin/report"]
    ran = subprocess.run(command, capture_output=True, check=True)
    assert b"env=CUDA_VERSION=12.4.1" in ran.stdout
    asked = log.read_text()
    assert here.bring(f"{reference}:1", trusted).reasons[-1].endswith("in this node's cache")
    assert log.read_text() == asked


@pytest.mark.node
def test_a_pull_that_fails_is_named_and_leaves_nothing(here, registry):
    reference, trusted, _ = registry
    assert here.refused(f"{reference}:2", trusted).failure.name == "image.not_found"
    untrusted = here.refused(f"{reference}:1")
    assert untrusted.failure.name == "image.unreachable"
    assert "certificate" in untrusted.sentence
    assert here.refused(f"docker://127.0.0.1:{free_port()}/a/b:1").failure.name == "image.unreachable"
    assert here.objects() == []
    left = [path for path in here.cache.rglob("*") if path.is_file()]
    assert left == []


@pytest.mark.node
def test_without_a_cache_the_image_lies_in_the_scratch_folder(here, registry):
    reference, trusted, _ = registry
    here.cache.chmod(0o777)  # others can write to it: nothing in it can be trusted
    (here.cache / f"u{os.getuid()}").write_text("")
    image = here.bring(f"{reference}:1", trusted)
    assert os.path.realpath(image.path) == str(here.scratch / ".jobwrap/image.sif")

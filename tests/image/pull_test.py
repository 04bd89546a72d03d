"""Images that lie elsewhere: brought once to this node, by their own names of failure, with their needs."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.image import registry as registry_module
from jobwrap.image.choose import choose
from jobwrap.image.pull import bring
from jobwrap.image.registry import pin
from jobwrap.image.trust import FILES, PULLS, name_for
from jobwrap.job.spec import Job
from jobwrap.node.survey import survey
from jobwrap.settings import Settings
from jobwrap.transfer.options import Options
from jobwrap.transfer.trouble import Passing
from tests.conftest import REPO, TREE, Jobwrap
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


@pytest.mark.parametrize("there", ["docker://own.example.org/x:1", "oras://own.example.org/x:1"])
def test_a_catalogs_variant_or_a_sites_default_may_lie_elsewhere_too(tmp_path, there):
    catalog = tmp_path / "catalog.toml"
    catalog.write_text(f'[image."own/x"]\nvariants = [{{ reference = "{there}", level = "x86-64-v2" }}]\n')
    found = planned("own/x", catalog=str(catalog))
    assert (found.asked, found.pull, found.path) == ("own/x", there, "/scratch/.jobwrap/image.sif")
    assert found.reasons[-1] == f"{there} can change; name its sha256 digest to run the same again"
    found = planned("default", default_image=there)
    assert (found.pull, found.reasons[0]) == (
        there,
        f"the job names no image, and {there} is the default here",
    )
    with pytest.raises(JobwrapError, match=r"policy\.images"):
        planned("own/x", catalog=str(catalog), images="tree")


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


class Registry:
    """A registry that runs: what it has, who trusts it, what it was asked for; the image's digest there."""

    def __init__(self, name, trusted, log):
        self.name, self.trusted, self.log = name, trusted, log

    def asked(self, *words):
        """How often these were asked for."""
        return [self.log.read_text().splitlines().count(each) for each in words]

    def digest(self):
        places = [line.partition("/manifests/")[2] for line in self.log.read_text().splitlines()]
        (found,) = {place for place in places if place.startswith("sha256:")}
        return found


@contextlib.contextmanager
def registry_of(content, tmp_path, *login):
    """With TLS, and a certificate that nobody trusts who is not told to."""
    tmp_path.mkdir(exist_ok=True)
    pem, log, port = tmp_path / "pem", tmp_path / "log", free_port()
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    words += ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    words += ["-keyout", tmp_path / "key", "-out", pem]
    subprocess.run(words, check=True, capture_output=True)
    trusted = {"SSL_CERT_FILE": str(tmp_path / "trusted")}
    (tmp_path / "trusted").write_text(pem.read_text())
    pem.write_text(pem.read_text() + (tmp_path / "key").read_text())
    with running([sys.executable, REGISTRY, port, content, log, pem, *login], port):
        yield Registry(f"127.0.0.1:{port}/test/image", trusted, log)


@pytest.fixture
def registry(tmp_path):
    """Yields the start of its references, the environment that trusts it, and its log."""
    with registry_of(f"{TREE}/htc/static:1/", tmp_path) as made:
        yield f"docker://{made.name}", made.trusted, made.log


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
    how = [reason.split(" was ")[1] for _, _, reason in said]
    assert sum(each.startswith("pulled in ") for each in how) == 1
    assert sum(each.startswith("pulled by another slot of this node") for each in how) >= 1
    assert all(each.startswith(("pulled", "in this node's cache")) for each in how)  # one may come late
    manifests = [line for line in log.read_text().splitlines() if line.startswith("GET /v2/test/image/mani")]
    assert len(manifests) == 1 and "manifests/sha256:" in manifests[0]


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


class Slots:
    """Slots of one node, each a whole run of jobwrap in a scratch folder of its own."""

    def __init__(self, tmp_path):
        self.folder, self.cache, self.site = tmp_path, tmp_path / "cache", tmp_path / "site.json"
        self.cache.mkdir(mode=0o755)
        self.site.write_text(json.dumps({"node": {"cache": str(self.cache)}}))

    def start(self, name, reference, environ):
        slot = Jobwrap(self.folder / name)
        slot.scratch.mkdir()
        slot.process = slot.start(
            "--site", self.site, "--image", reference, "--", "/bin/report", environ=environ
        )
        return slot

    def run(self, name, reference, environ=()):
        slot = self.start(name, reference, dict(environ))
        return slot.end(slot.process)


@pytest.mark.node
def test_a_run_pulls_its_image_and_the_next_finds_it_in_the_cache(tmp_path):
    """Eight at once pull once; the record says what the tag meant, and a run by that digest is the same."""
    slots = Slots(tmp_path)
    with registry_of(f"{TREE}/htc/static:1/", tmp_path / "open") as there:
        reference = f"docker://{there.name}:1"
        eight = [slots.start(f"slot-{number}", reference, there.trusted) for number in range(8)]
        ran = [slot.end(slot.process) for slot in eight]
        assert [each.code for each in ran] == [0] * 8
        assert all("env=CUDA_VERSION=12.4.1" in each.stdout for each in ran)
        (sif,) = slots.cache.glob("objects/*/*")
        assert {each.record["image"]["content_id"] for each in ran} == {"".join(sif.parts[-2:])}
        assert {each.record["image"]["digest"] for each in ran} == {there.digest()}
        assert there.asked(f"GET /v2/test/image/manifests/{there.digest()}") == [1]
        said = [sentence for each in ran for sentence in each.record["plan"]]
        assert sum(sentence.startswith(f"{reference} was pulled in ") for sentence in said) == 1
        assert said.count(f"{reference} was pulled by another slot of this node") >= 1
        assert said.count(f"{reference} is {there.digest()} at its registry now") == 8
    after = slots.run("after", reference, there.trusted)  # the registry is gone
    assert (after.code, after.record["image"]["digest"]) == (0, ran[0].record["image"]["digest"])
    assert f"{reference} was in this node's cache" in after.record["plan"]
    other = slots.run("other", reference)  # one that does not believe the registry's certificate
    assert other.record["end"]["failure"] == "image.unreachable"
    assert slots.run("gone", f"docker://{there.name}:2").record["end"]["failure"] == "image.unreachable"


@pytest.mark.node
def test_a_registry_that_wants_a_login_is_shown_the_one_of_the_environment(tmp_path):
    login = {"APPTAINER_DOCKER_USERNAME": "alice", "APPTAINER_DOCKER_PASSWORD": "geheim"}
    slots = Slots(tmp_path)
    with registry_of(f"{TREE}/htc/static:1/", tmp_path / "closed", "alice:geheim") as closed:
        refused = slots.run("refused", f"docker://{closed.name}:1", closed.trusted)
        assert refused.record["end"]["failure"] == "image.not_found", refused.stderr
        ran = slots.run("ran", f"docker://{closed.name}:1", {**login, **closed.trusted})
        assert (ran.code, ran.record["image"]["digest"]) == (0, closed.digest())
        assert "geheim" not in str(ran)


@pytest.mark.node
def test_a_sif_runs_out_of_a_registry_and_from_behind_a_url(tmp_path, files):
    slots = Slots(tmp_path)
    with registry_of(f"{TREE}/htc/static:1/", tmp_path / "as docker") as there:
        assert slots.run("docker", f"docker://{there.name}:1", there.trusted).code == 0
    (sif,) = slots.cache.glob("objects/*/*")
    digest = "".join(sif.parts[-2:])
    (files.root / "image.sif").write_bytes(sif.read_bytes())
    slots.cache, slots.site = tmp_path / "other", tmp_path / "other.json"
    slots.cache.mkdir(mode=0o755)
    slots.site.write_text(json.dumps({"node": {"cache": str(slots.cache)}}))
    with registry_of(sif, tmp_path / "as oras") as there:
        ran = slots.run("oras", f"oras://{there.name}:1", there.trusted)
        assert (ran.code, ran.record["image"]["content_id"]) == (0, digest)
    ran = slots.run("url", f"{files.url}/image.sif#sha256:{digest}")
    assert (ran.code, ran.record["image"]["content_id"]) == (0, digest)
    assert not [sentence for sentence in ran.record["plan"] if "can change" in sentence]
    wrong = slots.run("wrong", f"{files.url}/image.sif#sha256:{'0' * 64}")
    assert (wrong.code, wrong.record["end"]["failure"]) == (65, "image.broken")


def test_what_came_by_a_login_or_a_certificate_of_ones_own_is_no_other_jobs(tmp_path):
    plain = name_for("docker://a/b:1", {"PATH": "/bin", "HOME": str(tmp_path)}, PULLS)
    assert plain == "docker://a/b:1"
    names = {plain}
    for name in (
        "SSL_CERT_FILE",
        "APPTAINER_DOCKER_PASSWORD",
        "DOCKER_CONFIG",
        "SINGULARITY_DOCKER_USERNAME",
    ):
        names |= {name_for("docker://a/b:1", {name: value}, PULLS) for value in ("x", "y", "")}
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").touch()
    names.add(name_for("docker://a/b:1", {"HOME": str(tmp_path)}, PULLS))
    assert len(names) == 1 + 4 * 2 + 1
    assert not [name for name in names if name.endswith(("x", "y"))]  # no secret is written anywhere
    assert name_for("http://h/c", {"http_proxy": "http://me"}, FILES) != "http://h/c"
    assert name_for("http://h/c", {"HOME": "/", "APPTAINER_DOCKER_PASSWORD": "x"}, FILES) == "http://h/c"


@pytest.mark.parametrize(
    ("reference", "asked"),
    [
        ("docker://debian", "registry-1.docker.io/v2/library/debian/manifests/latest"),
        ("docker://a/b:1.2", "registry-1.docker.io/v2/a/b/manifests/1.2"),
        ("docker://docker.io/a/b", "registry-1.docker.io/v2/a/b/manifests/latest"),
        ("docker://quay.io/a/b/c:x", "quay.io/v2/a/b/c/manifests/x"),
        ("docker://localhost/b:x", "localhost/v2/b/manifests/x"),
        ("docker://host:5000/b", "host:5000/v2/b/manifests/latest"),
    ],
)
def test_a_registry_is_asked_as_docker_asks_it(monkeypatch, reference, asked):
    def ask(request, attempt):
        urls.append(str(request.url))
        raise Passing("nobody there")

    urls = []
    monkeypatch.setattr(registry_module.exchange, "ask", ask)
    assert registry_module._digest(reference, "", Options()) == ""
    assert urls == [f"https://{asked}"]


def test_what_no_registry_tells_is_pulled_as_it_stands():
    pinned = f"docker://a/b@sha256:{'0' * 64}"
    assert pin(pinned, Settings(), {}) == (pinned, f"sha256:{'0' * 64}")
    unknown = f"docker://127.0.0.1:{free_port()}/a/b:1"
    assert pin(unknown, Settings(deadline=4), {}) == (unknown, "")

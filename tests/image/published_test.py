"""A catalog behind a URL: asked for when the copy is old, and used from the copy when nobody answers."""

import json
import os
import signal
import sys
import time

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.image import published
from jobwrap.image.choose import choose
from jobwrap.job.spec import Job
from jobwrap.settings import Settings
from tests.image.making import Tree, machine
from tests.servers import free_port, running, serving

NEW = '[image."own/x"]\nvariants = [{ reference = "htc/new:1" }]\n'
OLD = '[image."own/x"]\nvariants = [{ reference = "htc/old:1" }]\n'


class Site:
    """A site whose catalog a real server has, and a node of it; `environ` without proxies."""

    def __init__(self, folder, url, log):
        self.served, self.cache, self.log = folder / "served", folder / "cache", log
        self.settings = Settings(catalog=f"{url}/catalog.toml", cache=str(self.cache), deadline=20)
        self.tree = Tree(folder / "cvmfs")
        for name in ("htc/new:1", "htc/old:1"):
            self.tree.add(name)
        self.cache.mkdir(mode=0o755)
        self.dates = int(time.time()) - 3600
        self.serve(OLD)

    def serve(self, text, name="catalog.toml"):
        """Each text has a date of its own, which has no fractions of a second."""
        self.served.mkdir(exist_ok=True)
        (self.served / name).write_text(text)
        self.dates += 60
        os.utime(self.served / name, (self.dates, self.dates))

    def image(self, name="own/x", **settings):
        job = Job(("sh",), image=name, scratch="/scratch")
        node = machine("haswell", self.tree.cvmfs)
        return choose(job, node, self.settings._replace(**settings), {})

    def tag(self, **settings):
        return self.image(**settings).tag.rpartition("/")[2]

    def grow_old(self):
        """As if the copy had been asked for long ago; from when it is right since."""
        (path,) = self.cache.glob("catalogs/*.json")
        copy = json.loads(path.read_text())
        copy = {**copy, "asked": copy["asked"] - 3600, "right": copy["right"] - 3600}
        path.write_text(json.dumps(copy))
        return copy["right"]

    def kill(self):
        """Its server, which is gone afterwards."""
        os.killpg(self.server.pid, signal.SIGKILL)
        self.server.wait()

    def answers(self):
        """The status codes so far."""
        return [
            line.split('" ')[1].split()[0] for line in self.log.read_text().splitlines() if '"GET' in line
        ]


@pytest.fixture
def site(tmp_path):
    """python -m http.server knows Last-Modified and no ETag."""
    port, log = free_port(), tmp_path / "log"
    (tmp_path / "served").mkdir()
    words = [sys.executable, "-m", "http.server", port, "--bind", "127.0.0.1", "-d", tmp_path / "served"]
    with log.open("w") as stderr, running(words, port, stderr=stderr) as server:
        found = Site(tmp_path, f"http://127.0.0.1:{port}", log)
        found.server = server
        yield found


def test_a_copy_is_believed_for_a_while_and_then_asked_for_by_its_date(site):
    assert site.tag() == "old:1"
    assert (site.tag(), site.answers()) == ("old:1", ["200"])
    site.grow_old()
    assert (site.tag(), site.answers()) == ("old:1", ["200", "304"])
    assert (site.tag(), site.answers()) == ("old:1", ["200", "304"])
    site.serve(NEW)
    site.grow_old()
    assert (site.tag(), site.answers()) == ("new:1", ["200", "304", "200"])


def test_nothing_is_asked_for_a_job_that_names_no_name(site):
    path = str(site.tree.cvmfs / "singularity.opensciencegrid.org/htc/old:1")
    assert site.image(path).reasons
    assert (site.answers(), list(site.cache.iterdir())) == ([], [])


@pytest.mark.parametrize(
    ("break_it", "why"),
    [
        (lambda site: site.kill(), "Connection refused"),
        (lambda site: os.killpg(site.server.pid, signal.SIGSTOP), "took too long"),
        (lambda site: (site.served / "catalog.toml").unlink(), "it answers 404"),
        (lambda site: site.serve("[image"), "what came is no catalog: "),
        (lambda site: site.serve("[images]"), "what came is no catalog: the catalog has no key 'images'"),
        (lambda site: site.serve("#" * (1 << 20) + "\n"), "1048577 bytes are more than the 1048576"),
    ],
)
def test_where_no_catalog_comes_the_copy_serves_and_the_plan_says_so(site, break_it, why):
    site.tag()
    then = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(site.grow_old()))
    break_it(site)
    for _ in range(2):  # and for a while nobody asks again
        image = site.image()
        assert image.tag.endswith("htc/old:1")
        assert image.reasons[0].startswith(f"the catalog is this node's copy of {then}, since http://127")
        assert why in image.reasons[0]
    os.killpg(site.server.pid, signal.SIGCONT) if site.server.poll() is None else None
    assert len(site.answers()) <= 2


@pytest.mark.parametrize("text", [None, "[images]", "x" * (2 << 20)], ids=["none", "no catalog", "too long"])
@pytest.mark.parametrize("cache", [True, False])
def test_without_a_copy_it_is_a_failure_of_the_site(site, text, cache):
    (site.served / "catalog.toml").unlink() if text is None else site.serve(text)
    with pytest.raises(JobwrapError) as raised:
        site.image(**({} if cache else {"cache": ""}))
    assert raised.value.failure.name == "site.catalog"
    assert not list(site.cache.glob("catalogs/*"))


def test_a_node_without_a_cache_asks_each_time_and_keeps_nothing(site):
    assert (site.tag(cache=""), site.tag(cache="")) == ("old:1", "old:1")
    assert (site.answers(), list(site.cache.iterdir())) == (["200", "200"], [])


def test_a_copy_that_others_could_have_written_is_not_read(site):
    site.tag()
    site.cache.chmod(0o777)
    site.serve(NEW)
    assert site.tag() == "new:1"


def test_json_is_known_by_the_end_of_its_path(site):
    site.serve(json.dumps({"image": {"own/x": {"variants": [{"reference": "htc/new:1"}]}}}), "c.json")
    url = site.settings.catalog.replace("catalog.toml", "c.json?x=1#y")
    assert site.tag(catalog=url) == "new:1"


def test_any_scheme_serves_that_an_input_may_have_and_no_policy_of_the_jobs_holds_it_up(site):
    assert site.tag(catalog=f"file://{site.served}/catalog.toml", schemes=("https",)) == "old:1"


def test_neither_a_password_nor_a_query_is_told(site):
    url = site.settings.catalog.replace("//", "//user:geheim@") + "?token=geheim"
    site.image(catalog=url)
    site.grow_old()
    site.kill()
    assert "geheim" not in site.image(catalog=url).reasons[0]
    with pytest.raises(JobwrapError) as raised:
        site.image(catalog=url, cache="")
    assert "geheim" not in raised.value.sentence


def test_the_bytes_of_a_copy_that_is_damaged_are_no_copy(site):
    site.tag()
    (path,) = site.cache.glob("catalogs/*.json")
    for content in (b"", b"[]", b'{"text": 1}', b"\xff"):
        path.write_bytes(content)
        assert site.tag() == "old:1"


@pytest.mark.node
def test_a_copy_is_asked_for_by_its_etag(tmp_path):
    with serving(tmp_path / "served", server="add_header Last-Modified ''; etag on;") as nginx:
        site = Site(tmp_path, nginx.url, None)
        assert site.tag() == "old:1"
        site.grow_old()
        assert site.tag() == "old:1"
        assert [request.status for request in nginx.requests()] == [200, 304]
        site.serve(NEW)
        site.grow_old()
        assert site.tag() == "new:1"


@pytest.mark.node
def test_a_run_says_which_catalog_it_chose_by(jobwrap, tmp_path):
    """With the server gone for good: the sentence is in the plan and in the record."""
    with serving(tmp_path / "served") as nginx:
        (nginx.root / "catalog.toml").write_text(
            '[image."own/x"]\nvariants = [{ reference = "htc/debian:12" }]\n'
        )
        site = tmp_path / "site.toml"
        site.write_text(f'[node]\ncatalog = "{nginx.url}/catalog.toml"\ncache = "{tmp_path}/cache"\n')
        (tmp_path / "cache").mkdir(mode=0o755)
        words = ("--site", site, "--image", "own/x", "--", "true")
        assert jobwrap.run(*words).code == 0
    (path,) = tmp_path.glob("cache/catalogs/*.json")
    copy = json.loads(path.read_text())
    path.write_text(json.dumps({**copy, "asked": copy["asked"] - published._FRESH}))
    ran = jobwrap.run(*words)
    assert ran.code == 0
    assert [each for each in ran.record["plan"] if each.startswith("the catalog is this node's copy of ")]
    assert ran.record["image"]["asked"] == "own/x"
    path.unlink()
    ran = jobwrap.run(*words)
    assert (ran.code, ran.record["end"]["failure"]) == (69, "site.catalog")

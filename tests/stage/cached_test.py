"""The node's cache under real jobs: one download for all slots, bound read-only, taken over from the dead."""

import hashlib
import os
import time

import pytest

from benchmarks import leftovers
from jobwrap.transfer.cache import Cache
from jobwrap.transfer.cachecare import is_right
from tests.conftest import Jobwrap
from tests.image.making import make_elf
from tests.servers import serving

pytestmark = pytest.mark.node
DEBIAN = ("--image", "htc/debian:12")
CONTENT = bytes(range(256)) * 4096 * 64  # 64 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SLOWLY = "limit_rate 32m;"  # two seconds
SHOW = ("--", "sha256sum", "data")


class Node:
    """One node with a cache and as many slots as are asked for."""

    def __init__(self, folder, server):
        self.folder, self.server = folder, server
        (folder / "cache").mkdir(mode=0o700)
        self.cache = Cache(str(folder / "cache"), ours=True)
        (folder / "site.toml").write_text(f'[node]\ncache = "{folder}/cache"\n')
        self.word = f"data={server.url}/file#sha256:{SHA256}"

    def slot(self, name):
        (self.folder / f"slot{name}").mkdir()
        return Jobwrap(self.folder / f"slot{name}")

    def words(self, *more):
        return ("--site", self.folder / "site.toml", *DEBIAN, "--input", self.word, *more)

    def downloads(self):
        return [each for each in self.server.requests() if each.method == "GET"]

    def empty(self):
        return os.listdir(f"{self.cache.folder}/incoming") == []


@pytest.fixture
def node(tmp_path):
    with serving(tmp_path / "served", server=SLOWLY) as server:
        (server.root / "file").write_bytes(CONTENT)
        yield Node(tmp_path, server)


def test_sixteen_jobs_at_once_make_one_download_and_none_a_copy_and_leave_nothing(node):
    node.slot("first").run(*DEBIAN, "--", "true")  # with the first container Apptainer makes a folder at home
    slots = [node.slot(number) for number in range(16)]
    before = leftovers.count(node.folder)
    started = [slot.start(*node.words(*SHOW)) for slot in slots]
    ran = [slot.end(process) for slot, process in zip(slots, started)]
    assert {each.stdout for each in ran} == {f"{SHA256}  data\n"}
    assert len(node.downloads()) == 1
    transfers = [each.record["transfers"] for each in ran]
    assert sorted(each["cache"] for (each,) in transfers) == ["hit"] * 15 + ["miss"]
    assert {each["path"] for (each,) in transfers} == {node.cache.path_of(SHA256)}
    assert all(os.listdir(slot.scratch) == ["jobwrap-record.json"] for slot in slots)
    after = leftovers.settled(before, node.folder)
    assert after.processes <= before.processes  # one that was there before may have ended
    assert (after.mounts, after.files) == (before.mounts, before.files)


def test_the_next_job_finds_it_without_a_download_and_its_record_says_so(node):
    node.slot("a").run(*node.words("--", "true"))
    slot = node.slot("b")
    ran = slot.run(*node.words(*SHOW))
    assert (ran.code, ran.stdout) == (0, f"{SHA256}  data\n")
    (transfer,) = ran.record["transfers"]
    assert (transfer["cache"], transfer["attempts"], transfer["bytes"]) == ("hit", 0, len(CONTENT))
    assert transfer["checksum"] == ["sha256", SHA256]
    assert len(node.downloads()) == 1
    bound = {"source": node.cache.path_of(SHA256), "target": "/srv/data", "writable": False}
    assert bound in ran.record["container"]["mounts"]


def test_a_policy_on_binds_is_about_what_jobs_ask_for(node):
    with open(node.folder / "site.toml", "a") as file:
        file.write("[policy]\nbind_sources = []\n")
    for name in ("fetched", "found"):
        assert node.slot(name).run(*node.words(*SHOW)).stdout == f"{SHA256}  data\n"


def test_a_dry_run_says_that_it_is_there(node):
    node.slot("a").run(*node.words("--", "true"))
    ran = node.slot("b").run(*node.words("--dry-run", "--", "true"))
    assert (
        f"input     data: {node.cache.path_of(SHA256)}, from the node's cache, bound read-only" in ran.stdout
    )


def test_when_the_job_that_downloads_is_killed_another_takes_over(node):
    first = node.slot("first").start(*node.words(*SHOW))
    while not node.cache.arrived(SHA256)[0]:
        time.sleep(0.01)
    slot = node.slot("second")
    second = slot.start(*node.words(*SHOW))
    time.sleep(0.5)
    first.kill()
    first.communicate()
    ran = slot.end(second)
    assert (ran.code, ran.stdout) == (0, f"{SHA256}  data\n")
    assert ran.record["transfers"][0]["cache"] == "miss"
    assert len(node.downloads()) == 2
    assert is_right(node.cache, SHA256) and node.empty()


def test_a_job_that_is_ended_while_it_fetches_leaves_the_download_to_the_next(node):
    slot = node.slot("first")
    first = slot.start(*node.words(*SHOW))
    while not node.cache.arrived(SHA256)[0]:
        time.sleep(0.01)
    first.terminate()
    assert slot.end(first).record["end"]["failure"] == "batch.terminated"
    assert os.listdir(slot.scratch) == ["jobwrap-record.json"]
    assert node.slot("second").run(*node.words(*SHOW)).stdout == f"{SHA256}  data\n"
    assert node.empty()


ATTACKS = """
for number in 1 2; do
    { echo x >data; } 2>/dev/null && echo written
    { echo x >>data; } 2>/dev/null && echo appended
    chmod 777 data 2>/dev/null && echo chmod
    touch -d 2001-01-01 data 2>/dev/null && echo touched
    rm -f data 2>/dev/null && echo removed
    mv data other 2>/dev/null && echo moved
    truncate -s 0 data 2>/dev/null && echo truncated
    ln data link 2>/dev/null && { echo x >link; } 2>/dev/null && echo linked
    unshare -rm sh -c 'mount -o remount,rw,bind data && echo x >data' 2>/dev/null && echo mounted
    { echo x >/proc/self/cwd/data; } 2>/dev/null && echo proc
done
sha256sum data
"""


@pytest.mark.parametrize("runtime", ["apptainer", "bwrap"])
def test_a_task_cannot_change_what_others_read(node, runtime):
    for name in ("fetched", "found"):
        ran = node.slot(name).run(*node.words("--runtime", runtime, "--", "sh", "-c", ATTACKS))
        assert ran.stdout == f"{SHA256}  data\n"
        assert is_right(node.cache, SHA256)


def test_what_a_running_job_has_bound_is_not_evicted(node):
    slot = node.slot("a")
    started = slot.start(*node.words("--", "sh", "-c", "touch up; while [ ! -e go ]; do sleep 0.05; done"))
    while not (slot.scratch / "up").exists():
        time.sleep(0.02)
    assert not node.cache.remove(SHA256)
    (slot.scratch / "go").touch()
    assert slot.end(started).code == 0
    assert node.cache.remove(SHA256)


def test_a_task_without_a_container_gets_a_copy_of_its_own(node):
    ran = node.slot("a").run(*node.words("--here", "--", "sh", "-c", "echo x >data; cat data"))
    assert ran.stdout == "x\n"
    assert is_right(node.cache, SHA256)


def test_without_a_checksum_it_is_bound_as_long_as_the_server_says_that_it_is_the_same(node):
    node.word = f"data={node.server.url}/file"
    for name, status in (("a", 200), ("b", 304)):
        ran = node.slot(name).run(*node.words(*SHOW))
        assert ran.stdout == f"{SHA256}  data\n"
        assert node.downloads()[-1].status == status
    assert ran.record["transfers"][0]["cache"] == "hit"


def test_a_program_that_comes_by_the_cache_is_judged_before_the_launch(node):
    program = make_elf(isa=1 << 20)  # a level that no CPU has
    (node.server.root / "program").write_bytes(program)
    node.word = f"program={node.server.url}/program#sha256:{hashlib.sha256(program).hexdigest()}"
    for name in ("fetched", "found"):
        ran = node.slot(name).run(*node.words("--", "./program"))
        assert ran.record["end"]["failure"] == "image.needs_cpu"


def test_a_cache_that_others_can_write_to_is_none(node):
    os.chmod(node.cache.folder, 0o777)
    ran = node.slot("a").run(*node.words(*SHOW))
    assert (ran.code, ran.stdout) == (0, f"{SHA256}  data\n")
    assert str(node.cache.path_of(SHA256)) != ran.record["transfers"][0]["path"]

"""Usage and limits of real tasks in real containers: what the record says, and who is ended."""

import json

import pytest

from tests.run_test import wait_for

pytestmark = pytest.mark.node
DEBIAN = ("--image", "htc/debian:12")
MIB = 1 << 20
# Of two processes one has so many MiB, as tail keeps a line that has no end, and both wait for the third.
HOG = "head -c {}M /dev/zero | tail | {}"
LONG, TOLD = "sleep 60", "until [ -e go ]; do sleep 0.1; done"


@pytest.fixture
def site(tmp_path):
    """The words that name a site's settings with this policy."""

    def written(**policy):
        (tmp_path / "site.json").write_text(json.dumps({"policy": policy}))
        (tmp_path / "site.json").chmod(0o644)
        return ("--site", tmp_path / "site.json")

    return written


def test_the_record_has_what_the_task_used(jobwrap):
    task = f"head -c 50M /dev/urandom > out; {HOG.format(200, TOLD)}; rm out"
    started = jobwrap.start(*DEBIAN, "--", "sh", "-c", task)
    usage = held_until_seen(jobwrap, started, peak_memory=200 * MIB, peak_disk=50 * MIB)
    assert 200 * MIB <= usage["peak_memory"] < 260 * MIB
    assert 50 * MIB <= usage["bytes_written"] < 60 * MIB
    assert 50 * MIB <= usage["peak_disk"] < 51 * MIB
    assert 4 <= usage["peak_processes"] < 12 and usage["peak_threads"] >= usage["peak_processes"]
    assert usage["sources"]["peak_memory"] == "/proc" and usage["sources"]["peak_disk"] == "walk"
    assert usage["samples"] >= 1 and usage["series"]["at"][0] >= 1
    assert {len(column) for column in usage["series"].values()} == {usage["samples"]}


def held_until_seen(jobwrap, started, **least):
    """What the record says of a task that goes on once so much was seen of it: there are seconds between."""

    def seen():
        usage = (jobwrap.record() or {}).get("usage", {})
        return all(usage.get(name, 0) >= figure for name, figure in least.items())

    wait_for(seen)
    (jobwrap.scratch / "go").touch()
    return jobwrap.end(started).record["usage"]


def test_a_task_of_less_than_a_second_is_not_sampled(jobwrap):
    record = jobwrap.run(*DEBIAN, "--", "true").record
    usage = record["usage"]
    sampled = "samples" in usage
    assert not sampled or record["seconds"] >= 1  # on a slow machine even that one takes so long
    assert sampled or usage["sources"]["peak_memory"] == "rusage, of the largest process"
    assert usage["switches_voluntary"] > 0


def test_the_cpu_of_what_the_task_left_behind_is_in_the_containers(jobwrap):
    burn = "echo $$ > pid; i=0; while [ $i -lt 400000 ]; do i=$((i+1)); done"
    ended = "until [ -s pid ]; do sleep 0.1; done; while [ -e /proc/$(cat pid) ]; do sleep 0.1; done"
    task = f"(setsid sh -c '{burn}' &) ; {ended}"
    usage = jobwrap.run(*DEBIAN, "--", "sh", "-c", task).record["usage"]
    assert usage["cpu_seconds"] > usage["user_seconds"] + usage["system_seconds"] + 0.2
    assert usage["sources"]["cpu_seconds"] in ("rusage of the container", "/proc")


def test_near_and_over_its_memory_the_task_is_warned_of_and_goes_on(jobwrap):
    words = (*DEBIAN, "--memory", "100M", "--", "sh", "-c", HOG.format(200, TOLD) + "; exit 3")
    started = jobwrap.start(*words)
    said = next(line for line in started.stderr if b"jobwrap: the task uses" in line)
    assert b"% of the 100.0 MiB it was granted" in said
    (jobwrap.scratch / "go").touch()
    ran = jobwrap.end(started)
    assert (ran.code, ran.record["end"]["failure"]) == (3, "task.failed")
    crossed = ran.record["usage"]["crossed"]
    assert {(each["figure"], each["ends"]) for each in crossed} == {("memory", False)}


@pytest.mark.parametrize(
    ("policy", "word", "task", "failure"),
    [
        ({"over_memory": "kill"}, ("--memory", "100M"), HOG.format(200, LONG), "limit.memory"),
        ({"over_disk": "kill"}, ("--disk", "20M"), "head -c 50M /dev/zero > out; sleep 60", "limit.disk"),
    ],
)
def test_where_the_site_wants_it_a_task_over_its_limit_is_ended_by_name(
    jobwrap, site, policy, word, task, failure
):
    ran = jobwrap.run(*site(**policy), *DEBIAN, *word, "--", "sh", "-c", task)
    assert (ran.code, ran.record["end"]["failure"]) == (143, failure)
    assert ran.record["usage"]["crossed"][-1]["ends"]
    assert ran.record["usage"]["seconds"] < 50


def test_who_ignores_that_is_killed_after_the_grace_period(jobwrap, site):
    words = (*site(over_memory="kill"), *DEBIAN, "--memory", "100M", "--grace", "1")
    ran = jobwrap.run(*words, "--", "sh", "-c", f"trap '' TERM; {HOG.format(200, LONG)}")
    assert (ran.code, ran.record["end"]["failure"]) == (137, "limit.memory")


def test_a_record_that_was_lost_has_the_last_samples(jobwrap):
    started = jobwrap.start(*DEBIAN, "--", "sh", "-c", HOG.format(200, LONG))
    wait_for(lambda: (jobwrap.record() or {}).get("usage", {}).get("peak_memory", 0) >= 200 * MIB)
    started.kill()
    started.communicate()
    record = jobwrap.record()
    assert record["state"] == "lost"
    assert record["usage"]["peak_memory"] >= 200 * MIB


def test_without_a_container_the_task_is_watched_too(jobwrap):
    started = jobwrap.start("--here", "--", "sh", "-c", HOG.format(200, TOLD))
    usage = held_until_seen(jobwrap, started, peak_memory=200 * MIB)
    assert 200 * MIB <= usage["peak_memory"] < 230 * MIB
    assert 3 <= usage["peak_processes"] < 8

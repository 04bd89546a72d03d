"""Where a job may have jobwrap write under a site's policy."""

import json
import os

import pytest

from jobwrap.asked import read_asked
from jobwrap.failures import JobwrapError


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A job's words, judged where a site allows one folder besides scratch."""
    scratch = tmp_path / "scratch"
    for folder in (scratch, tmp_path / "ceph", tmp_path / "home"):
        folder.mkdir()
    (scratch / "way-out").symlink_to(tmp_path / "home")
    (tmp_path / "ceph/way-out").symlink_to(tmp_path / "home")
    monkeypatch.chdir(scratch)
    settings = tmp_path / "site.toml"

    def ask(*words, defaults=""):
        settings.write_text(f'{defaults}\n[policy]\nbind_sources = ["{tmp_path}/ceph"]\n')
        settings.chmod(0o600)
        words = [word.replace("TOP", str(tmp_path)) for word in words]
        return read_asked(["--site", str(settings), *words, "--", "true"], {}).job

    return ask


WAYS = ("--output=x={}", "--output=x=file://{}", "--record={}", "--kickstart={}", "--log={}")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "place", ["TOP/home/x", "TOP/scratch/way-out/x", "TOP/ceph/way-out/x", "TOP/ceph2/x"]
)
def test_a_job_has_nothing_written_outside_of_what_it_may_see(site, way, place):
    with pytest.raises(JobwrapError, match="writing to") as raised:
        site(way.format(place))
    assert raised.value.failure.name == "policy.forbidden"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", ["TOP/ceph/x", "TOP/ceph/new/x", "TOP/scratch/x"])
def test_a_job_has_files_written_where_it_may_see_them(site, way, place):
    site(way.format(place))


@pytest.mark.parametrize(
    "words", [(), ("--record=-",), ("--output=x=https://h/x",), ("--record=https://h/x",)]
)
def test_what_goes_nowhere_on_the_node_is_not_judged(site, words):
    site(*words)


def test_what_the_site_itself_names_is_the_sites_to_know(site, tmp_path):
    site(defaults=f'[defaults]\nrecord = ["{tmp_path}/home/record.json"]')


def test_without_that_policy_a_user_writes_what_is_his(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_asked(["--record", "/elsewhere/x", "--", "true"], {}).job.record == "/elsewhere/x"


@pytest.fixture
def swap(jobwrap, tmp_path):
    """Runs a task under that policy which puts a link to a home folder in the place of one in scratch."""
    (tmp_path / "home").mkdir()
    (jobwrap.scratch / "way").mkdir()
    settings = tmp_path / "site.toml"
    settings.write_text("[policy]\nbind_sources = []\n")

    def swap(*words):
        script = f"echo x > x; mv way old; ln -s {tmp_path}/home way"
        image = ("--image", "htc/debian:12")
        return jobwrap.run("--site", settings, *image, *words, "--", "sh", "-c", script)

    return swap


@pytest.mark.node
@pytest.mark.parametrize("way", ["--output=x={}", "--kickstart={}", "--record={}"])
def test_a_task_cannot_turn_a_folder_in_scratch_into_a_way_out(swap, jobwrap, tmp_path, way):
    ran = swap("--record", "jobwrap-record.json", way.format(jobwrap.scratch / "way/out"))
    assert (jobwrap.scratch / "way").is_symlink() and os.listdir(tmp_path / "home") == []
    if way.startswith("--output"):
        assert ran.record["end"]["failure"] == "policy.forbidden"


@pytest.mark.node
def test_the_record_stays_in_its_folder_wherever_a_task_moves_that(swap, jobwrap, tmp_path):
    swap("--record", "way/out")
    assert os.listdir(tmp_path / "home") == []
    assert json.loads((jobwrap.scratch / "old/out").read_text())["state"] == "finished"


@pytest.mark.node
def test_what_jobwrap_takes_away_after_the_task_is_in_scratch_whatever_the_task_puts_there(
    swap, tmp_path, jobwrap
):
    (tmp_path / "home/.profile").touch()
    swap("--input", "way/.profile=/cvmfs/data.example.org/reference/hello.txt", "--image", "htc/debian:12")
    assert (jobwrap.scratch / "way").is_symlink() and (tmp_path / "home/.profile").exists()

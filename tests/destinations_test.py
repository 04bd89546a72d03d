"""Where a job may have jobwrap write under a site's policy."""

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

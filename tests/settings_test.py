"""The site's settings: where they may come from and what they may say."""

import os

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Bind
from jobwrap.settings import Settings, named_settings, read_settings

WHOLE = """
[defaults]
image = "htc/debian:12"
time = "2h"
[node]
runtime = "/opt/apptainer/bin/apptainer"
binds = ["/data:/data"]
[policy]
images = "tree"
here = false
"""


def written(folder, text, name="site.toml"):
    path = folder / name
    path.write_text(text)
    path.chmod(0o644)
    return str(path)


def test_without_a_file_the_built_in_settings_hold(tmp_path):
    assert read_settings(places=(str(tmp_path / "none"),)) == Settings()


def test_a_file_gives_defaults_node_and_policy(tmp_path):
    settings = read_settings(written(tmp_path, WHOLE))
    assert settings.defaults == {"image": "htc/debian:12", "time": 7200.0}
    assert settings.default_image == "htc/debian:12"
    assert settings.binds == (Bind("/data", "/data"),)
    assert (settings.runtime, settings.images, settings.here) == (
        "/opt/apptainer/bin/apptainer",
        "tree",
        False,
    )


def test_json_says_the_same(tmp_path):
    path = written(tmp_path, '{"policy": {"images": "tree"}}', "site.json")
    assert read_settings(path).images == "tree"


@pytest.mark.parametrize(
    "text",
    [
        "[polcy]\n",
        "[policy]\nimage = 1\n",
        "policy = 1\n",
        "[node]\nruntime = 'x'\n",
        "[",
        "[defaults]\njob = 'x'\n",
    ],
)
def test_a_file_with_a_mistake_is_refused_whole(tmp_path, text):
    with pytest.raises(JobwrapError, match=r"site.toml cannot be used"):
        read_settings(written(tmp_path, text))


def test_a_file_that_others_can_write_is_no_policy(tmp_path):
    path = written(tmp_path, WHOLE)
    os.chmod(path, 0o666)
    with pytest.raises(JobwrapError, match="others than the site can write"):
        read_settings(path)


def test_only_the_first_two_words_name_a_file(tmp_path):
    path = written(tmp_path, WHOLE)
    assert named_settings(["--site", path, "--json"]) == (read_settings(path), ["--json"])
    for words in [["--json", "--site", path], ["--site"], []]:
        assert named_settings(words) == (read_settings(), words)

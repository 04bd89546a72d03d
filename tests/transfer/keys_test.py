"""What a site's settings say of transfers, and that transfers follow it."""

import os
import textwrap

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.settings import read_settings
from jobwrap.transfer.options import Options, options_of
from tests.conftest import REPO
from tests.settings_test import written

WHOLE = """
[node]
cache = "/var/cache/jobwrap"
cache_quota = "200G"
cache_owners = ["root", 4711]
[policy]
schemes = ["https"]
[transfer]
parallel = 4
slowest = "1M"
window = "1m"
deadline = "2h"
proxies = ["http://squid.example:3128"]
no_proxy = [".example.org"]
ca_folder = "/etc/grid-security/certificates"
plugins = ["/usr/libexec/condor", "/opt/plugins/mine"]
director = "https://director.example"
caches = ["https://cache.example:8443/", "+"]
[transfer.tokens]
"Data.example.org" = "/etc/jobwrap/tokens/data"
"data.example.org:8443" = "/etc/jobwrap/tokens/other"
"""


def test_a_sites_settings_become_options(tmp_path):
    options = options_of(read_settings(written(tmp_path, WHOLE)), {"http_proxy": "http://other:1"})
    assert options == Options(
        parallel=4,
        slowest=1 << 20,
        window=60.0,
        deadline=7200.0,
        schemes=("https",),
        proxies=("http://squid.example:3128",),
        no_proxy=("example.org",),
        ca_folder="/etc/grid-security/certificates",
        tokens=(
            ("data.example.org", "/etc/jobwrap/tokens/data"),
            ("data.example.org:8443", "/etc/jobwrap/tokens/other"),
        ),
        token=options.token,
        plugins=("/usr/libexec/condor", "/opt/plugins/mine"),
        director="https://director.example",
        caches=("https://cache.example:8443/", "+"),
        cache="/var/cache/jobwrap",
        cache_quota=200 << 30,
        cache_owners=(0, 4711),
    )


def test_the_settings_in_the_documentation_can_be_read(tmp_path):
    text = (REPO / "docs/site.md").read_text()
    block = text[text.index("    [defaults]") : text.index("## Image names")]
    settings = read_settings(written(tmp_path, textwrap.dedent(block)))
    assert settings.cache_quota == 200 << 30 and settings.transfer["caches"][1] == "+"
    defaults = Options()._asdict()
    figures = {key: value for key, value in settings.transfer.items() if isinstance(value, (int, float))}
    assert figures == {**{key: defaults[key] for key in figures}, "slowest": 100 << 10}


def test_without_settings_the_environment_and_the_defaults_hold(tmp_path):
    options = options_of(read_settings(written(tmp_path, "")), {"http_proxy": "squid:3128"})
    assert options == Options(proxies=("http://squid:3128",), token=options.token)


@pytest.mark.parametrize(("line", "why"), [
    ('speed = "fast"', "has no key 'speed'"),
    ("parallel = 0", "must be 1 or more"),
    ('proxies = "http://squid:3128"', "must be a list"),
    ('proxies = ["https://squid:3128"]', "must be a URL with http:"),
    ('proxies = ["http://me:secret@squid:3128"]', "everyone here can read"),
    ('director = "director.example"', "not a URL"),
    ('tokens = ["data.example.org"]', "must be a table"),
    ('tokens = {"data.example.org" = "eyJhbGciOi"}', "must be an absolute path"),
    ('tokens = {"https://data.example.org" = "/x"}', "neither HOST nor HOST:PORT"),
    ('plugins = ["curl_plugin"]', "must be an absolute path"),
    ("slowest = 100", "must be a number with a unit"),
])  # fmt: skip
def test_a_mistake_is_named_with_its_key(line, why, tmp_path):
    with pytest.raises(JobwrapError, match=r"site.toml cannot be used") as raised:
        read_settings(written(tmp_path, f"[transfer]\n{line}\n"))
    assert why in raised.value.sentence and "secret" not in raised.value.sentence


def test_an_owner_of_a_cache_must_be_a_user(tmp_path):
    with pytest.raises(JobwrapError, match="must be a user of this node"):
        read_settings(written(tmp_path, '[node]\ncache_owners = ["no-such-user"]\n'))


def test_a_folder_of_plugins_stands_for_the_programs_in_it(tmp_path):
    from jobwrap.transfer.protocols.plugin import _programs

    (tmp_path / "plugins").mkdir()
    for name, mode in (("a_plugin", 0o755), ("curl", 0o755), ("c_plugin.txt", 0o644), ("b_plugin.py", 0o755)):
        (tmp_path / "plugins" / name).touch()
        os.chmod(tmp_path / "plugins" / name, mode)
    alone = tmp_path / "plugins/curl"
    places = (str(alone), str(tmp_path / "plugins"), "/no/such")
    assert [os.path.basename(path) for path in _programs(places)] == ["curl", "a_plugin", "b_plugin.py"]

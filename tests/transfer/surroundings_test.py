"""What the environment says about proxies and credentials."""

import os

import pytest

from jobwrap.transfer import credentials
from jobwrap.transfer.options import Options
from jobwrap.transfer.surroundings import from_environment
from jobwrap.transfer.url import parse


@pytest.mark.parametrize(("environ", "proxies"), [
    ({}, ()),
    ({"OSG_SQUID_LOCATION": "squid.example:3128"}, ("http://squid.example:3128",)),
    ({"OSG_SQUID_LOCATION": "UNAVAILABLE", "http_proxy": "http://p:80"}, ("http://p:80",)),
    ({"OSG_SQUID_LOCATION": "p:80", "http_proxy": "http://p:80"}, ("http://p:80",)),
    ({"http_proxy": "socks5://p:80"}, ()),
    ({"HTTP_PROXY": "http://p:80"}, ()),
])  # fmt: skip
def test_proxies_are_those_of_the_environment(environ, proxies):
    assert from_environment(environ, Options()).proxies == proxies


def test_what_the_site_says_stays():
    options = from_environment({"http_proxy": "http://job:1"}, Options(proxies=("http://site:1",)))
    assert options.proxies == ("http://site:1",)


def test_tokens_are_found_in_the_order_of_the_wlcg(tmp_path):
    own = tmp_path / f"bt_u{os.getuid()}"
    own.write_text("x")
    own.chmod(0o600)
    (tmp_path / "scitokens.use").write_text("x")
    environ = {"_CONDOR_CREDS": str(tmp_path)}
    assert credentials.discover(environ) == str(tmp_path / "scitokens.use")
    environ["XDG_RUNTIME_DIR"] = str(tmp_path)
    assert credentials.discover(environ) == str(own)
    environ["BEARER_TOKEN_FILE"] = "/elsewhere"
    assert credentials.discover(environ) == "/elsewhere"


@pytest.mark.parametrize("mode", [0o622, 0o666])
def test_a_token_file_that_others_can_write_is_not_taken(mode, tmp_path):
    own = tmp_path / f"bt_u{os.getuid()}"
    own.write_text("x")
    own.chmod(mode)
    assert credentials.discover({"XDG_RUNTIME_DIR": str(tmp_path)}) == ""


@pytest.mark.parametrize(("url", "sent"), [
    ("https://data.example/x", True),
    ("https://data.example:8443/x", False),
    ("http://data.example/x", False),
    ("https://evil.example/x", False),
])  # fmt: skip
def test_a_token_is_for_its_host_over_tls(url, sent, tmp_path):
    (tmp_path / "token").write_text("abc\n")
    tokens = (("data.example", str(tmp_path / "token")),)
    assert credentials.for_origin(parse(url), tokens) == ("abc" if sent else None)

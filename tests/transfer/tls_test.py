"""TLS, and what goes over it: certificates, tokens, credentials of HTCondor's, the federation's director."""

import os

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.transfer.deliver import deliver
from jobwrap.transfer.fetch import Wanted, fetch_all
from tests.transfer.conftest import HASTY, SWIFT, make_certificate, misbehaving
from tests.transfer.fault_server import CONTENT, SHA256

RIGHT = ("sha256", SHA256)
TOKEN = "eyJhbGciOi.the-secret"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def secure(certificate, tmp_path):
    with misbehaving(tmp_path / "secure", certificate) as server:
        yield server


@pytest.fixture
def options(certificate, tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    return SWIFT._replace(ca_file=str(certificate), token=str(tmp_path / "token"))


def fetch(place, options, tmp_path, checksum=None):
    (fetched,) = fetch_all([Wanted("x", (place,), checksum, str(tmp_path / "x"))], options)
    assert (tmp_path / "x").read_bytes() == CONTENT
    return fetched


@pytest.mark.parametrize("way", ["ok", "chunked", "until_close", "broken_off"])
def test_a_file_comes_over_tls(way, secure, options, tmp_path):
    fetch(f"{secure.url}/{way}", options, tmp_path)


@pytest.mark.parametrize(
    ("way", "why"), [("stall", "stalled"), ("silent", "too long"), ("says_longer", "broke off")]
)
def test_a_server_that_fails_over_tls_ends_in_time(way, why, secure, options, tmp_path):
    with pytest.raises(JobwrapError, match=why):
        fetch(f"{secure.url}/{way}", options._replace(attempts=1, **HASTY.get(way, {})), tmp_path)


def test_a_certificate_that_nobody_signed_is_refused_at_once(secure, tmp_path):
    with pytest.raises(JobwrapError, match="certificate is not valid: self"):
        fetch(f"{secure.url}/ok", SWIFT, tmp_path)
    assert secure.asked() == []


def test_an_expired_certificate_is_refused(tmp_path):
    certificate = make_certificate(tmp_path / "old", year=2020)
    with (
        misbehaving(tmp_path / "faults", certificate) as server,
        pytest.raises(JobwrapError, match="expired"),
    ):
        fetch(f"{server.url}/ok", SWIFT._replace(ca_file=str(certificate)), tmp_path)


def test_a_certificate_for_another_name_is_refused(tmp_path):
    certificate = make_certificate(tmp_path / "other", names="DNS:elsewhere.example")
    with (
        misbehaving(tmp_path / "faults", certificate) as server,
        pytest.raises(JobwrapError, match="not valid"),
    ):
        fetch(f"{server.url}/ok", SWIFT._replace(ca_file=str(certificate)), tmp_path)


def test_a_token_goes_to_its_host_and_not_where_that_redirects(certificate, secure, options, tmp_path):
    host = secure.url.partition("//")[2]
    options = options._replace(tokens=((host, options.token),))
    with misbehaving(tmp_path / "other", certificate) as other:
        fetched = fetch(f"{secure.url}/redirect?{other.url}/ok", options, tmp_path)
        assert secure.asked()[0].headers["authorization"] == f"Bearer {TOKEN}"
        assert "authorization" not in other.asked()[0].headers
    assert TOKEN not in repr(fetched)


def test_a_credential_by_name_does_not_follow_a_redirect_either(certificate, secure, options, tmp_path):
    (tmp_path / "creds").mkdir()
    (tmp_path / "creds/dune.use").write_text(TOKEN)
    with misbehaving(tmp_path / "other", certificate) as other:
        options = options._replace(credentials=str(tmp_path / "creds"))
        fetch(f"dune+{secure.url}/redirect?{other.url}/ok", options, tmp_path)
        assert secure.asked()[0].headers["authorization"] == f"Bearer {TOKEN}"
        assert "authorization" not in other.asked()[0].headers


def test_a_redirect_off_tls_takes_a_checksum(secure, options, faults, tmp_path):
    place = f"{secure.url}/redirect?{faults.url}/ok"
    with pytest.raises(JobwrapError, match="from https: to http:"):
        fetch(place, options, tmp_path)
    fetch(place, options, tmp_path, RIGHT)


def test_a_credential_is_sent_by_the_name_in_the_url(secure, options, tmp_path):
    (tmp_path / "creds").mkdir()
    (tmp_path / "creds/dune.use").write_text(TOKEN)
    fetch(f"dune+{secure.url}/ok", options._replace(credentials=str(tmp_path / "creds")), tmp_path)
    assert secure.asked()[0].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize(("place", "why"), [
    ("none+https://localhost/x", "none.use cannot be read"),
    ("..+https://localhost/x", "nothing"),
    ("dune+http://localhost/x", "over https: only"),
])  # fmt: skip
def test_a_credential_that_is_none_is_denied(place, why, options, tmp_path):
    with pytest.raises(JobwrapError) as raised:
        fetch(place, options._replace(credentials=str(tmp_path)), tmp_path)
    assert raised.value.failure.name in ("input.denied", "input.not_found")


class Federation:
    """The director and the caches are ways of one server."""

    def __init__(self, server, options):
        self.server = server
        self.options = options._replace(director=f"{server.url}/director")

    def asked(self):
        return [(asked.target, "authorization" in asked.headers) for asked in self.server.asked()]


@pytest.fixture
def federation(secure, options):
    return Federation(secure, options)


def test_the_federations_caches_are_asked_in_the_directors_order(federation, tmp_path):
    fetched = fetch("osdf:///status/404/x", federation.options, tmp_path)
    assert [target for target, _ in federation.asked()][1:] == [
        "/status/503/first",
        "/status/404/second",
        "/ok/third",
    ]
    assert fetched.source == "osdf:///status/404/x"


def test_a_file_that_no_cache_has_was_not_found(federation, tmp_path):
    with pytest.raises(JobwrapError) as raised:
        fetch("osdf:///nowhere", federation.options, tmp_path)
    assert raised.value.failure.name == "input.not_found"


def test_the_sites_own_cache_is_asked_first(federation, tmp_path):
    options = federation.options._replace(caches=(f"{federation.server.url}/ok", "+"))
    fetch("stash:/public/file", options, tmp_path)
    assert [target for target, _ in federation.asked()][1:] == ["/ok/public/file"]


def test_a_namespace_that_wants_a_token_gets_it_and_no_other_does(federation, tmp_path):
    fetch("osdf:///protected/ok", federation.options, tmp_path)
    fetch("osdf:///public/ok", federation.options, tmp_path)
    tokens = [token for target, token in federation.asked() if not target.startswith("/director")]
    assert tokens == [True, False]


def test_without_a_token_the_namespace_that_wants_one_denies(federation, tmp_path):
    with pytest.raises(JobwrapError) as raised:
        fetch("osdf:///protected/ok", federation.options._replace(token=""), tmp_path)
    assert raised.value.failure.name == "input.denied"


def test_a_pelican_url_names_its_federation(federation, secure, options, tmp_path):
    host = secure.url.partition("//")[2]
    fetch(f"pelican://{host}/public/ok", options, tmp_path)
    assert federation.asked()[0][0] == "/.well-known/pelican-configuration"


def test_an_output_goes_to_the_origin_with_the_token(federation, tmp_path):
    (tmp_path / "output").write_bytes(CONTENT)
    deliver(str(tmp_path / "output"), "osdf:///protected/put/file", federation.options)
    put = next(
        asked
        for asked in federation.server.asked()
        if asked.method == "PUT" and "director" not in asked.target
    )
    assert put.target == "/put/file" and put.headers["authorization"] == f"Bearer {TOKEN}"


def test_where_the_caches_fail_the_pelican_client_is_asked(federation, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    client = tmp_path / "bin/pelican"
    (tmp_path / "content").write_bytes(CONTENT)
    client.write_text(
        f'#!/bin/sh\n[ "$1 $2 $3" = "object get osdf:///broken" ] && cp {tmp_path}/content "$4"\n'
    )
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    fetch("osdf:///broken", federation.options, tmp_path)

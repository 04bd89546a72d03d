"""Outputs that could never be delivered are told before the task runs."""

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Output
from jobwrap.stage.deliverable import check_deliverable
from jobwrap.transfer.options import Options

DEBIAN = ("--image", "htc/debian:12")


def check(*urls, **options):
    check_deliverable([Output(f"out{number}", url) for number, url in enumerate(urls)], Options(**options))


def refusal(*urls, **options):
    with pytest.raises(JobwrapError) as raised:
        check(*urls, **options)
    return raised.value


@pytest.fixture
def plugin(tmp_path):
    path = tmp_path / "gopher_plugin"
    path.write_text("#!/bin/sh\necho 'SupportedMethods = \"gopher,gopher2\"'\n")
    path.chmod(0o755)
    return str(path)


def test_what_jobwrap_serves_itself_is_not_asked_about(tmp_path):
    check("", "/x", "file:///x", "http://h/x", "name+https://h/x", "root://h//x", "s3://h/x", "osdf:///x")


def test_what_a_plugin_serves_can_be_delivered(plugin):
    check("gopher://h/x", "gopher2://h/x", plugins=(plugin,))


@pytest.mark.parametrize("url", ["telnet://h/x", "data:,x"])
def test_what_nobody_serves_is_named(plugin, url):
    error = refusal("gopher://h/x", url, plugins=(plugin,))
    assert error.failure.name == "output.scheme"
    assert (
        "out1" in error.sentence
        and error.sentence.endswith("xroots, s3")
        and f"({url.partition(':')[0]}:)" in error.sentence
    )


@pytest.mark.parametrize(("url", "schemes"), [("http://u:secret@h/x", ("file",)), ("/x", ("http",))])
def test_what_the_site_does_not_allow_is_refused(url, schemes):
    error = refusal(url, schemes=schemes)
    assert error.failure.name == "policy.forbidden" and "secret" not in error.sentence


@pytest.mark.node
def test_no_task_runs_whose_output_could_not_be_delivered(jobwrap):
    words = ("--output", "x=telnet://h/x", "--", "sh", "-c", "echo ran; echo x > x")
    ran = jobwrap.run(*DEBIAN, *words)
    assert (ran.code, ran.stdout, ran.record["end"]["failure"]) == (64, "", "output.scheme")
    dry = jobwrap.run(*DEBIAN, "--dry-run", *words)
    assert dry.code == 64 and "telnet" in dry.stderr

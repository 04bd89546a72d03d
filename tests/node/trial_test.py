"""Trying a runtime: the worker node's real Apptainer, and programs that only call themselves one."""

import os
import time

import pytest

from jobwrap.node.runtime import Runtime
from jobwrap.node.trial import Trial, try_runtime

APPTAINER = Runtime("/usr/bin/apptainer", "apptainer", "a test")


def program(tmp_path, script):
    path = tmp_path / "apptainer"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Runtime(str(path), "apptainer", "a test")


@pytest.mark.node
def test_a_real_apptainer_can_do_all_of_it():
    trial = try_runtime(APPTAINER, 30)
    assert trial.version.startswith("1.")
    assert trial == Trial(
        APPTAINER,
        trial.version,
        "apptainer",
        mode="user namespaces",
        pid=True,
        layer="overlay",
        sif=True,
    )


@pytest.mark.node
@pytest.mark.parametrize(
    ("setting", "facts"),
    [
        ("enable overlay = no", {"layer": "underlay", "sif": True}),
        ("enable overlay = no\nenable underlay = no", {"layer": "", "sif": True}),
        ("allow pid ns = no", {"pid": False, "layer": "overlay"}),
        ("allow container squashfs = no", {"sif": False, "layer": "overlay"}),
    ],
)
def test_what_a_site_has_switched_off_is_noticed(tmp_path, setting, facts):
    """The runtime reads another configuration, as an ordinary user may tell it to."""
    configuration = tmp_path / "apptainer.conf"
    configuration.write_text(setting + "\n")
    runtime = program(tmp_path, f'exec /usr/bin/apptainer --config {configuration} "$@"')
    trial = try_runtime(runtime, 30)
    assert trial.problem == ""
    assert {name: getattr(trial, name) for name in facts} == facts


@pytest.mark.node
def test_it_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    try_runtime(APPTAINER, 30)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo 'FATAL:   no user namespaces here' >&2; exit 255", "no user namespaces here"),
        ("exit 0", "it ended without a word"),
        ("printf '\\033[31mERROR  : \\033[0mtoo old\\n\\n' >&2", "too old"),
    ],
)
def test_a_runtime_that_starts_nothing_says_why(tmp_path, script, problem):
    trial = try_runtime(
        program(tmp_path, f"[ $1 = --version ] && echo singularity-ce version 3.11.4-1; {script}"), 10
    )
    assert (trial.version, trial.product, trial.problem) == ("3.11.4-1", "singularity-ce", problem)


def test_a_runtime_that_never_ends_is_killed_with_its_children(tmp_path):
    start = time.monotonic()
    trial = try_runtime(program(tmp_path, "sleep 60 & sleep 60"), 0.3)
    assert trial.problem.endswith("did not end within 0.3 s")
    assert time.monotonic() - start < 20


def test_a_runtime_that_is_gone_says_so():
    assert try_runtime(Runtime("/no/such", "apptainer", ""), 10).problem == "No such file or directory"

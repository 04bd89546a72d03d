"""What a program named singularity understands, by what it says of itself."""

import pytest

from jobwrap.failures import JobwrapError
from jobwrap.node.dialect import dialect_of, speak
from jobwrap.node.runtime import Runtime
from tests.run_test import wait_for
from tests.transfer.apart_test import gone


def singularity(tmp_path, script):
    path = tmp_path / "singularity"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Runtime(str(path), "singularity", "a test")


@pytest.mark.parametrize(
    ("says", "csv", "flags"),
    [
        ("singularity version 3.6.0", False, ()),
        ("singularity version 3.8.7-1.el7", False, ()),
        ("singularity-ce version 3.8.4", False, ()),
        ("singularity-ce version 3.9.0", True, ()),
        ("singularity-ce version 3.11.4-jammy", True, ()),
        ("singularity-ce version 4.0.0", True, ("--no-oci",)),
        ("singularity-ce version 4.5.1-noble", True, ("--no-oci",)),
        ("singularity-pro version 3.9-10.el8", True, ()),
        ("apptainer version 1.4.5", True, ()),
    ],
)
def test_each_version_is_spoken_to_as_its_release_notes_say(tmp_path, says, csv, flags):
    spoken = speak(singularity(tmp_path, f"echo {says}"), 10)
    assert (spoken.csv, spoken.flags) == (csv, flags)
    assert spoken.version == says.replace(" version", "")


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo singularity version 3.5.3", "singularity 3.5.3 is older than Singularity 3.6"),
        ("echo singularity version 2.6.1-dist", "2.6.1-dist is older than"),
        ("echo podman version 5.0", "podman 5.0 is none that jobwrap knows"),
        ("echo hello", "--version says 'hello', which names no product and version"),
        ("echo missing libseccomp.so >&2; exit 127", "says 'missing libseccomp.so'"),
        ("exit 1", "--version says ''"),
    ],
)
def test_one_that_jobwrap_cannot_speak_to_is_refused_by_name(tmp_path, script, why):
    with pytest.raises(JobwrapError) as raised:
        speak(singularity(tmp_path, script), 10)
    assert raised.value.failure.name == "site.no_runtime"
    assert why in raised.value.sentence


def test_one_that_never_answers_is_ended_with_its_children(tmp_path):
    with pytest.raises(JobwrapError) as raised:
        speak(singularity(tmp_path, f"sleep 61.5 & echo $! >{tmp_path}/child; sleep 61.5"), 2)
    assert "did not end within 2 s" in raised.value.sentence
    child = int((tmp_path / "child").read_text())
    wait_for(lambda: gone(child), 20)


def test_a_version_without_numbers_is_of_no_row():
    assert dialect_of("singularity", "") is None

"""Runs with the words that other products understand; behind each name is the node's real Apptainer."""

import pytest

from tests.conftest import TREE

pytestmark = pytest.mark.node

# It answers as the product does, and Apptainer alone would refuse --no-oci.
PROGRAM = """#!/bin/bash
[[ $1 != --version ]] || { echo "$PRODUCT"; exit; }
words=()
for word; do [[ $word == --no-oci ]] || words+=("$word"); done
exec /usr/bin/apptainer "${words[@]}"
"""


@pytest.fixture
def run(jobwrap, tmp_path):
    def run(product, *words):
        (tmp_path / "bin").mkdir(exist_ok=True)
        program = tmp_path / "bin/singularity"
        program.write_text(PROGRAM.replace("$PRODUCT", product))
        program.chmod(0o755)
        path = f"{program.parent}:{jobwrap.environment['PATH']}"
        image = f"{TREE}/htc/debian:12"
        words = ("--runtime", "singularity", "--image", image, *words)
        return jobwrap.run(*words, environ={"PATH": path})

    return run


@pytest.mark.parametrize(
    ("product", "there", "absent"),
    [
        ("singularity version 3.8.7", "--bind", "--mount"),
        ("singularity-ce version 3.11.4", "--mount", "--no-oci"),
        ("singularity-ce version 4.1.0", "--no-oci", "--bind"),
    ],
)
def test_the_task_sees_the_same_whatever_the_words(run, jobwrap, tmp_path, product, there, absent):
    (tmp_path / "data").write_text("the input")
    script = "cat data && ! (echo x >data) 2>/dev/null && echo mine >made && pwd && exit 255"
    ran = run(product, "--input", f"data={tmp_path}/data", "--", "sh", "-c", script)
    assert (ran.code, ran.stdout.split()) == (255, ["the", "input/srv"])
    assert (ran.record["end"]["failure"], ran.record["end"]["of"]) == ("task.failed", "task")
    assert (jobwrap.scratch / "made").read_text() == "mine\n"
    words = ran.record["container"]["runtime"]
    assert there in words
    assert absent not in words
    assert any(product.replace(" version", "") in reason for reason in ran.record["plan"])


@pytest.mark.parametrize("name", ["a:b", "a,b", 'a"b', "a^b", "a "])
def test_a_path_that_an_old_runtime_cannot_bind_is_refused_by_name(run, tmp_path, name):
    (tmp_path / name).write_text("")
    words = ("--input", f"data={tmp_path}/{name}", "--", "true")
    ran = run("singularity version 3.8.7", *words)
    assert (ran.code, ran.record["end"]["failure"]) == (64, "job.usage")
    assert f"{tmp_path}/{name} has a colon, comma, quote" in ran.record["end"]["sentence"]
    assert run("singularity-ce version 3.9.0", *words).code == 0


def test_a_runtime_that_is_too_old_is_a_failure_of_the_site(run):
    ran = run("singularity version 3.5.3", "--", "true")
    assert (ran.code, ran.record["end"]["failure"]) == (69, "site.no_runtime")

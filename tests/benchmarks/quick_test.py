"""Every benchmark in its quick form on the worker node: that it runs, not what it measures."""

import subprocess
import sys
from xml.etree import ElementTree

import pytest

from benchmarks.__main__ import BENCHMARKS
from tests.conftest import REPO


@pytest.mark.node
@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_runs_without_a_failed_run_and_has_a_table_and_a_plot(name, tmp_path):
    words = [sys.executable, "-m", "benchmarks", "--quick", "--out", tmp_path, name]
    ran = subprocess.run(words, cwd=REPO, capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
    told = (tmp_path / f"{name}.md").read_text()
    assert "failed runs: 0" in told, ran.stderr
    assert "| --- |" in told
    assert told in ran.stdout
    assert ElementTree.parse(tmp_path / f"{name}.svg").getroot().tag.endswith("svg")

"""The CPU in words, by py-cpuinfo's parser."""

import subprocess
import sys
import zipfile
from pathlib import Path

import cpuinfo
import pytest

from jobwrap.node.describe import ask_cpu, describe_cpu
from jobwrap.run import Run

TREES = Path(__file__).parent / "trees" / "cpu"


def test_a_cpu_is_described_by_what_the_kernel_says_of_it():
    assert describe_cpu(str(TREES / "haswell")) == {
        "brand": "Intel(R) Xeon(R) CPU E5-2680 v3 @ 2.50GHz",
        "vendor": "GenuineIntel",
        "family": 6,
        "model": 63,
        "stepping": 2,
        "clock": "2.5000 GHz",
        "cache": 30720 * 1024,
    }


@pytest.mark.parametrize("text", [None, "", "\0\nfamily: x\n", "stepping: 999x\n"])
def test_what_it_cannot_read_is_not_described(text, tmp_path):
    if text is not None:
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/cpuinfo").write_text(text)
    assert describe_cpu(str(tmp_path)) == {}


def test_it_works_from_a_zip_file_and_starts_no_program(tmp_path):
    packages = tmp_path / "packages.zip"
    here = Path(__file__).parents[2]
    with zipfile.ZipFile(packages, "w") as archive:
        for file in Path(cpuinfo.__file__).parent.glob("*.py"):
            archive.write(file, f"cpuinfo/{file.name}")
        for file in ["__init__.py", "node/__init__.py", "node/files.py", "node/describe.py"]:
            archive.write(here / "jobwrap" / file, f"jobwrap/{file}")
    program = f"""if True:
        import os, sys
        sys.path.insert(0, {str(packages)!r})
        from jobwrap.node import describe
        os.fork = os.posix_spawn = None
        print(describe.__file__, describe.describe_cpu({str(TREES / "zen5")!r})["brand"])
        """
    command = [sys.executable, "-I", "-S", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "packages.zip" in done.stdout and "EPYC 9655" in done.stdout, done.stderr


class Noted:
    """A record, and the journal that it is written to."""

    def __init__(self):
        self.fields = {"node": {"cpu": {"level": "x86-64-v3"}}}

    def note(self, **fields):
        self.fields.update(fields)

    def write(self, fields):
        assert fields is self.fields


def test_the_record_of_a_long_task_has_it_and_that_of_a_short_one_did_not_pay_for_it():
    run = Run.__new__(Run)
    run._record = run._journal = Noted()
    run._note_usage({"seconds": 299.0})
    assert run._record.fields["node"]["cpu"] == {"level": "x86-64-v3"}
    run._note_usage({"seconds": 330.0})
    assert run._record.fields["node"]["cpu"]["described"] == ask_cpu() == describe_cpu() != {}

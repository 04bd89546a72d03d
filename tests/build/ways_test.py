"""The other ways to the same command: the source tree, python -m, pip."""

import marshal
import os
import subprocess
import sys
import zipfile
import zlib

from tests.build.shipping import HELLO, REPO, copy_of_tree, run


def test_the_source_tree_runs_isolated_from_the_environment(tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('not this one')")
    (tmp_path / "link").symlink_to(REPO / "bin/jobwrap")
    ran = run(
        tmp_path / "link",
        "--help",
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)},
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_python_m_is_the_same_command():
    assert run(sys.executable, "-m", "jobwrap", "--version", cwd=REPO).stdout == HELLO


def test_a_full_disk_behind_stdout_is_an_error():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "jobwrap", "--version"]
        assert subprocess.run(command, cwd=REPO, env={}, stdout=full, check=False).returncode == 74


def test_pip_installs_the_same_command_with_all_its_data(shipped, tree, tmp_path):
    source = copy_of_tree(tree, tmp_path / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    ran = run(*pip, "--target", tmp_path / "there", source, env=dict(os.environ))
    assert ran.returncode == 0, ran.stderr
    assert (
        run(tmp_path / "there/bin/jobwrap", "--version", env={"PYTHONPATH": f"{tmp_path}/there"}).stdout
        == HELLO
    )
    with zipfile.ZipFile(shipped) as archive:
        data = marshal.loads(zlib.decompress(archive.read("data")))[0]
    for path, content in data.items():
        assert (tmp_path / "there" / path).read_bytes() == content

"""What several tests of the node share: a CVMFS repository that plays well or ill, by fuse_cvmfs.py."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SERVER = Path(__file__).parent / "fuse_cvmfs.py"


@pytest.fixture
def mount(tmp_path):
    """A call with other words changes how data.example.org plays; its folder is mount.folder."""
    folder, control = tmp_path / "data.example.org", tmp_path / "control"
    folder.mkdir()

    def play(**words):
        (tmp_path / "new").write_text(json.dumps(words))
        (tmp_path / "new").rename(control)

    play()
    server = subprocess.Popen([sys.executable, SERVER, folder, control], stdout=subprocess.PIPE)
    assert server.stdout.readline() == b"mounted\n"
    play.server, play.folder = server, tmp_path
    yield play
    server.kill()  # which aborts what hangs in it
    server.wait()
    server.stdout.close()
    subprocess.run(["fusermount3", "-u", "-z", folder], check=True)

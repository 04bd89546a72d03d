"""full_disk.py FOLDER WHERE ROUNDS: jobs in a small disk that is full from some moment on; a JSON line each.

Its own program, since the small disk is seen only inside the namespace that has it.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

from tests.conftest import REPO

_TASK = "cat /dev/zero > fill; exit 9"


def main(folder, where, rounds):
    chance = random.Random(4)
    for number in range(rounds):
        scratch = Path(folder) / str(number)
        scratch.mkdir()
        filled = "by the task" if number % 2 else "before"
        filler = Path(folder) / "filler"
        if filled == "before":
            leave_free(filler, folder, chance.randrange(0, 500_000))
        words = [sys.executable, REPO / "bin/jobwrap", where, "--", "sh", "-c", _TASK]
        ran = subprocess.run(words, cwd=scratch, check=False, capture_output=True, text=True)
        told = {"filled": filled, "code": ran.returncode, "stderr": ran.stderr}
        told["in_place"] = (scratch / "jobwrap-record.json").exists()
        print(json.dumps({**told, "record": record_of(scratch, ran)}), flush=True)
        subprocess.run(["rm", "-rf", scratch, filler], check=True)


def leave_free(filler, folder, size):
    """Fills the disk up to that many bytes."""
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free - size))


def record_of(scratch, ran):
    """The record: in its place, else the line on stderr."""
    path = scratch / "jobwrap-record.json"
    if path.exists():
        return json.loads(path.read_text())
    return next((json.loads(line) for line in ran.stderr.splitlines() if line.startswith("{")), None)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

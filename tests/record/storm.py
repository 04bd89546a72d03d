"""Ends jobwrap at moments of a given phase, from outside, and tells what is left."""

import os
import random
import select
import sys
import time
from pathlib import Path
from typing import NamedTuple

from tests.conftest import REPO

PHASES = ("survey", "plan", "launch", "stage-in", "task", "stage-out")
# Tells each phase on a pipe before the record does: what the record is held against.
_TELLING = """
import os, sys
sys.path.insert(0, sys.argv.pop(1))
pipe = int(sys.argv.pop(1))
from jobwrap.record.exitrecord import ExitRecord
begin = ExitRecord.begin
def tell(self, phase):
    os.write(pipe, phase.encode() + b" ")
    begin(self, phase)
ExitRecord.begin = tell
from jobwrap.__main__ import program
program()
"""


class Left(NamedTuple):
    """What an ended run left: its exit code (as Popen has it), the phases it told, its stderr, its record."""

    code: int
    told: tuple[str, ...]
    stderr: str
    record: dict | None


class Storm:
    """Runs one job again and again in a scratch folder of its own each time, and ends it."""

    def __init__(self, jobwrap, words, seed):
        self._jobwrap, self._words = jobwrap, words
        self._folders = Path(jobwrap.scratch)
        self.chance = random.Random(seed)
        # Nothing is sent: how long each phase takes here, where nothing holds it up.
        calm = [self.end_in("", ()) for _ in range(3)]
        assert all(each.code == 0 for each in calm), calm
        phases = [phase for each in calm for phase in each.record["phases"]]
        self._seconds = {
            name: min(phase["seconds"] for phase in phases if phase["name"] == name) for name in PHASES
        }

    def end_in(self, phase, signals):
        """A run that gets these signals, one after the other, at a random moment of the phase."""
        scratch = self._jobwrap.scratch = self._folders / os.urandom(4).hex()
        scratch.mkdir()
        pipe, inherited = os.pipe()
        self._jobwrap.program = [sys.executable, "-c", _TELLING, str(REPO), str(inherited)]
        with open(scratch.with_suffix(".err"), "w+") as stderr:
            process = self._jobwrap.start(*self._words, pass_fds=(inherited,), stdout=stderr, stderr=stderr)
            os.close(inherited)
            told = self._hear(pipe, phase) if signals else b""
            for number in signals:
                # Rather early: until it is sent, the phase goes on.
                time.sleep(self._seconds[phase] * self.chance.random() ** 2)
                process.send_signal(number)
            code = process.wait(60)
            os.set_blocking(pipe, False)
            told += _rest(pipe)
            os.close(pipe)
            stderr.seek(0)
            return Left(code, tuple(told.decode().split()), stderr.read(), self._jobwrap.record())

    def _hear(self, pipe, phase):
        told = b""
        while phase.encode() + b" " not in told and select.select([pipe], [], [], 60)[0]:
            block = os.read(pipe, 4096)
            if not block:
                break
            told += block
        return told


def _rest(pipe):
    try:
        return os.read(pipe, 4096)
    except BlockingIOError:
        return b""

"""A task behind the real gate, started as the launch does it, for the tests of the gate."""

import os
import signal
import subprocess
from typing import NamedTuple

from jobwrap.launch.gate import Gate, Said

IMAGES = "/cvmfs/singularity.opensciencegrid.org/htc"
APPTAINER = (
    "apptainer",
    "--silent",
    "exec",
    "--contain",
    "--pid",
    "--ipc",
    "--cleanenv",
    "--no-home",
    "--pwd",
    "/",
)
BUBBLEWRAP = ("bwrap", "--unshare-user", "--unshare-pid", "--die-with-parent", "--clearenv")


class Ended(NamedTuple):
    """What was seen of a task: the exit code of what was started, its streams, what the gate said."""

    code: int
    stdout: bytes
    stderr: bytes
    said: Said


class Gated:
    """A command behind a closed gate; every process of it is in a session of its own."""

    def __init__(self, command, runtime=(), machine="x86_64", emulator=(), environment=None):
        stderr, error = os.pipe()
        self.gate = Gate(machine, error)
        os.close(error)
        self.process = subprocess.Popen(
            [*runtime, *emulator, *self.gate.argv(command)],
            pass_fds=self.gate.inherited,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            restore_signals=False,
            env=environment,
        )
        self.gate.close_child_ends()
        self._stderr = os.fdopen(stderr, "rb")

    def hear_until(self, what) -> Said:
        """Waits until what(said) is true, which must be before the end."""
        while not what(self.gate.said):
            assert self.gate.hear(), f"the gate ended, having said {self.gate.said}"
        return self.gate.said

    def end(self) -> Ended:
        stdout, _ = self.process.communicate(timeout=60)
        while self.gate.hear():
            pass
        self.gate.close()
        return Ended(self.process.returncode, stdout, self._stderr.read(), self.gate.said)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Whatever a failed test left."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        with self._stderr, self.process:
            pass


def run(command, settings=(), **how) -> Ended:
    with Gated(command, **how) as task:
        task.gate.open(settings)
        return task.end()

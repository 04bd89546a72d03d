"""The keeper: a process between jobwrap and the runtime, so that nothing outlives jobwrap.

It starts the runtime and waits for it. On the control pipe come the numbers of signals to hand on;
the pipe's end means that jobwrap is gone, by SIGKILL too, and all that it started is killed. What the
runtime or the task orphaned is re-parented to the keeper and killed when the runtime has ended.
(PR_SET_PDEATHSIG on Apptainer's starter was seen not to end a container.) Should somebody kill the keeper,
a container still ends as a whole; without one what it had is re-parented to jobwrap, which then kills it.

The keeper keeps jobwrap's locks, so that none of them is free before the last process is gone.
"""

from __future__ import annotations

import marshal
import os
import select
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jobwrap.launch.gate import Usage
from jobwrap.launch.keeping import keep


class Start(NamedTuple):
    """What the keeper starts: a program's path, its words and environment, and its descriptors.

    inherited  numbers that it finds under the same number; output becomes its stdout, error its stderr
    locks      descriptors that the keeper holds as long as it lives
    doomed     a folder whose files are removed at the end, whatever ended jobwrap; "" for none
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    folder: str
    error: int
    inherited: Sequence[int]
    locks: Sequence[int] = ()
    output: int = 1
    doomed: str = ""


class Kept(NamedTuple):
    """What the keeper saw at the end.

    status  the runtime's wait status
    used    what all used that it waited for, the runtime among it
    left    processes that were left over; stuck: how many of them could not be killed
    """

    status: int
    used: Usage
    left: int
    stuck: int


class Keeper:
    """jobwrap's side of the keeper.

    pid     its process
    report  a descriptor that becomes readable when the runtime has ended, or the keeper was killed
    """

    def __init__(self, start: Start) -> None:
        control, self._control = os.pipe()
        self.report, report = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                keep(start, control, report)
            finally:
                os._exit(1)
        os.close(control)
        os.close(report)

    def send(self, number: int) -> None:
        """Hands a signal on to the runtime, which hands it on to the task."""
        try:
            if self._control >= 0:
                os.write(self._control, bytes([number]))
        except BrokenPipeError:
            pass  # it has ended; the report says how

    def end(self) -> Kept | None:
        """What the keeper saw, after `report` became readable; None if it was killed itself.

        It still goes itself, which takes a millisecond: close() waits for that.
        """
        said = os.read(self.report, select.PIPE_BUF)  # all of it: what fits is written at once
        try:
            status, used, left, stuck = marshal.loads(said)
            return Kept(status, Usage(*used), left, stuck)
        except (EOFError, ValueError, TypeError):
            return None

    def close(self) -> None:
        """Ends all that the keeper started, and waits until it is gone."""
        if self._control >= 0:
            os.close(self._control)
            self._control = -1
            os.waitpid(self.pid, 0)
            os.close(self.report)

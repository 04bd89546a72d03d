"""The small program that holds the task inside the container until it may start, and is its parent.

Belongs here: its source (gate.c), its compiled forms (x86_64, aarch64; made by bin/gate) and how to
talk to it:

    gate = Gate(node.machine)                  descriptors and a key; nothing is started
    runtime + gate.argv(task's command)        the words to start, with gate.inherited kept open
    gate.close_child_ends()                    once they are
    gate.open(settings) or gate.close()        the task may start, or never will
    gate.hear()                                whenever status is readable; gate.said is what it told so far
    gate.signal(number)                        to the gate itself, which hands it on to the task

When hear() gives False, no process holds the gate's end any more. The gate can be the first process of
its PID namespace (`apptainer --no-init`, `bwrap --as-pid-1`): it reaps orphans, and there no task can
end it. Elsewhere a task can, and is killed with it: then no status was told by the end. Signals sent
to the gate while it is closed wait for the task: to end a closed one, close() it or send KILL.
"""

from __future__ import annotations

import os
import struct

# Not the module socket, which takes 8 ms to import.
from _socket import AF_UNIX, CMSG_SPACE, SHUT_RDWR, SO_PASSCRED, SOCK_SEQPACKET, SOL_SOCKET, socketpair
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from jobwrap.failures import JobwrapError
from jobwrap.launch.gate.nameless import nameless_file, nameless_program, write_all

MACHINES = ("x86_64", "aarch64")
_KEY = 16
_OPENING = struct.Struct(f"={_KEY}sQ")
# struct report of gate.c: key, letter, number, found, struct rusage of wait4(2).
_REPORT = struct.Struct(f"={_KEY}sc3xii4x18q")
_CREDENTIALS = struct.Struct("=3i")  # struct ucred of unix(7): pid, uid, gid
_TIMESTAMP = 29  # SO_TIMESTAMP and SCM_TIMESTAMP, asm-generic/socket.h
_MOMENT = struct.Struct("=2q")  # struct timeval: seconds since the epoch, and microseconds
_ANCILLARY = CMSG_SPACE(_CREDENTIALS.size) + CMSG_SPACE(_MOMENT.size)
_KIB = 1024


class Usage(NamedTuple):
    """What the task and those of its descendants that were waited for used, from wait4(2).

    user, system           seconds of CPU
    peak                   bytes: the largest resident size that one of the processes had
    minor, major           page faults without and with I/O
    read, written          blocks of 512 bytes that really went to and from disks
    voluntary, forced      context switches: the task waited, or its time was over

    What the task left to others (daemons, orphans) is not in it, nor what is still running.
    """

    user: float
    system: float
    peak: int
    minor: int
    major: int
    read: int
    written: int
    voluntary: int
    forced: int


class Said(NamedTuple):
    """What the gate told so far.

    started  the container stands
    opened   the task begins, unless it is refused
    refused  errno: the task's program could not be executed
    found    with refused: a file of that name is there, so that ENOENT is about its interpreter
    status   the task's wait status, for os.WIFSIGNALED and its like: the task has ended
    usage    with status
    """

    started: bool = False
    opened: bool = False
    refused: int | None = None
    found: bool = False
    status: int | None = None
    usage: Usage | None = None


class Gate:
    """One gate for one task.

    inherited  descriptors that must reach the gate under the same numbers
    status     a descriptor that is readable when the gate told something
    said       what it told so far
    moments    when it told each of that, by the kernel, in seconds since the epoch: the container stood,
               the task began, the task had ended
    pid        the gate's process in our PID namespace, whose child the task is; 0: not known
    """

    def __init__(self, machine: str, stderr: int = 2, folder: str = "/tmp") -> None:
        """A closed gate; the task's stderr will be the file that `stderr` is now, whatever the runtime's is.

        folder  where its files are put, and at once unlinked, if there are none in memory
        JobwrapError site.unsupported_cpu where there is no gate for this machine type; site.scratch
        where no program may run, neither in memory nor on disk.
        """
        self._program = nameless_program("jobwrap-gate", program(machine), folder)
        self._settings = nameless_file("jobwrap-settings", folder)
        self._error = os.dup(stderr)
        # A pipe could be opened once more through /proc/PID/fd of any process that holds it.
        self._ours, self._theirs = socketpair(AF_UNIX, SOCK_SEQPACKET)
        self._key = os.urandom(_KEY)
        self.said = Said()
        self.moments: list[float] = []
        # With each packet the kernel tells who sent it, by its number in our PID namespace, and when: it is
        # heard only when the inputs are there.
        self._ours.setsockopt(SOL_SOCKET, SO_PASSCRED, 1)
        self._ours.setsockopt(SOL_SOCKET, _TIMESTAMP, 1)
        self.pid = 0
        self.status = self._ours.fileno()
        self.inherited = (self._program, self._settings, self._error, self._theirs.fileno())

    def argv(self, command: Sequence[str]) -> tuple[str, ...]:
        """The words that stand in the place of the task's command."""
        channel = self._theirs.fileno()
        numbers = (channel, self._settings, self._error)
        return (f"/proc/self/fd/{self._program}", *map(str, numbers), *command)

    def close_child_ends(self) -> None:
        """Leaves to the child what only it needs; without this the end is never seen."""
        self._theirs.close()
        os.close(self._program)
        os.close(self._error)

    def open(self, settings: Iterable[tuple[str, str | None]]) -> None:
        """The task may start, with these variables put over the image's; None removes a name.

        Never waits for the gate, however much it is; if there is none any more, `status` tells.
        """
        block = b"".join(_setting(name, value) for name, value in settings)
        write_all(self._settings, block)
        try:
            self._ours.send(_OPENING.pack(self._key, len(block)))
        except (BrokenPipeError, ConnectionResetError):
            pass

    def close(self) -> None:
        """No more words with the gate: one that was not opened ends, and its task never starts."""
        try:
            self._ours.shutdown(SHUT_RDWR)  # a process forked meanwhile may still have a copy
        except OSError:
            pass  # the gate has ended
        self._ours.close()
        os.close(self._settings)

    def hear(self) -> bool:
        """Takes the next packet in; one that the gate did not say changes nothing. False at the end."""
        try:
            packet, ancillary, _, _ = self._ours.recvmsg(4096, _ANCILLARY)
        except ConnectionResetError:
            return True  # it ended without reading the opening; what it said before is still to come
        before, self.said = self.said, heard(self.said, self._key, packet)
        if self.said != before:
            for _, kind, told in ancillary:
                if kind == _TIMESTAMP:
                    seconds, micros = _MOMENT.unpack(told)
                    self.moments.append(seconds + micros / 1e6)
                # Anyone who came before the task could say "S"; what the gate says with the key counts.
                elif not before.opened:
                    self.pid = _CREDENTIALS.unpack(told)[0]
        # A packet of no bytes has a sender, the end has none.
        return bool(packet or ancillary)

    def signal(self, number: int) -> bool:
        """Sends the gate a signal, which no runtime in between can swallow; False where it is not there."""
        try:
            if self.pid and self.said.status is None and self.said.refused is None:
                os.kill(self.pid, number)
                return True
        except OSError:
            pass  # it has just ended
        return False


def heard(said: Said, key: bytes, packet: bytes) -> Said:
    """What is known after a packet; only the gate knows the key, what lacks it was said by another."""
    if packet == b"S":
        return said._replace(started=True)
    if len(packet) != _REPORT.size:
        return said
    known, letter, number, found, *usage = _REPORT.unpack(packet)
    if known != key:
        return said
    if letter == b"X":
        return said._replace(opened=True)
    if letter == b"E":
        return said._replace(refused=number, found=bool(found))
    return said._replace(status=number, usage=_usage(usage))


def program(machine: str) -> bytes:
    """The compiled gate for a machine type, as `uname -m` has it; also from inside a zip file."""
    if machine not in MACHINES:
        raise JobwrapError("site.unsupported_cpu", machine=machine)
    loader: Any = __spec__.loader
    compiled: bytes = loader.get_data(os.path.join(os.path.dirname(__file__), machine))
    return compiled


def _usage(fields: Sequence[int]) -> Usage:
    """From struct rusage: two times in seconds and microseconds, then 14 counters (getrusage(2))."""
    seconds, micros, system, system_micros, peak, _, _, _, minor, major, _, read, written = fields[:13]
    return Usage(
        seconds + micros / 1e6,
        system + system_micros / 1e6,
        peak * _KIB,
        minor,
        major,
        read,
        written,
        *fields[16:18],
    )


def _setting(name: str, value: str | None) -> bytes:
    return os.fsencode(name if value is None else f"{name}={value}") + b"\0"

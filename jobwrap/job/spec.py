"""The Job: what is asked, in full, after every source of it was merged."""

from __future__ import annotations

from typing import NamedTuple


class Input(NamedTuple):
    """A file or folder that the task finds under `name` in its scratch folder.

    places    paths and URLs, in the order in which they are tried
    checksum  (algorithm, hex digest), or None where any content is right
    unpack    whether the archive is extracted into a folder of that name
    """

    name: str
    places: tuple[str, ...]
    checksum: tuple[str, str] | None = None
    unpack: bool = False


class Output(NamedTuple):
    """A file, folder or glob of the scratch folder; url "" leaves it there for the batch system."""

    name: str
    url: str = ""


class Bind(NamedTuple):
    """A path of the node that the task sees at `target`."""

    source: str
    target: str
    writable: bool = False


class Job(NamedTuple):
    """One job. Sizes in bytes, times in seconds; None and "" mean that nobody said.

    command   the task and its arguments
    image     a reference as people write them
    env       (name, value), set in the task's environment byte for byte
    submitted the same from the job ad, which ranks lower
    credentials  names of those that the task gets
    gpus      how many GPUs the task needs
    scratch   absolute path on the node; `target` is its path inside the container
    record    where the exit record is put, copies: where else it goes (files, "-" for stdout, http(s) URLs)
    kickstart where Pegasus's form of the record is put, "-" for stdout
    timing    print where the seconds went
    here      run the task directly, without a container
    runtime   the one to use, "" for the first that the node has
    network   "host", "none", "" for what the site says
    grace     between TERM and KILL
    infra_exit_code  instead of jobwrap's own for every failure that is not the user's to repair
    stdout, stderr   files of the scratch folder, "" for jobwrap's own streams; the limits are bytes that pass
    last_lines       how many of both streams the record gets
    reraise   end by the signal that ended the task
    checkpoint_exit_code  of a task that took a checkpoint and wants to be started again
    ids       who the batch system says this is: (name, value)
    """

    command: tuple[str, ...]
    image: str = ""
    inputs: tuple[Input, ...] = ()
    outputs: tuple[Output, ...] = ()
    binds: tuple[Bind, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    submitted: tuple[tuple[str, str], ...] = ()
    credentials: tuple[str, ...] = ()
    gpus: int | None = None
    cpus: int | None = None
    memory: int | None = None
    disk: int | None = None
    time: float | None = None
    scratch: str = ""
    target: str = "/srv"
    record: str = ""
    copies: tuple[str, ...] = ()
    kickstart: str = ""
    timing: bool = False
    here: bool = False
    exact: bool = False
    ignore_needs: bool = False
    require_pinned: bool = False
    runtime: str = ""
    network: str = ""
    grace: float = 10.0
    output_on: str = "success"
    infra_exit_code: int | None = None
    reraise: bool = False
    checkpoint_exit_code: int = 85
    stdout: str = ""
    stderr: str = ""
    stdout_limit: int | None = None
    stderr_limit: int | None = None
    last_lines: int | None = None
    ids: tuple[tuple[str, str], ...] = ()

    def redirects(self) -> bool:
        """Whether the task shall have other streams than jobwrap's own."""
        return any((self.stdout, self.stderr, self.last_lines)) or (self.stdout_limit, self.stderr_limit) != (
            None,
            None,
        )

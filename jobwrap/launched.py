"""The one container of a run, with all that is made for it: mount points, copies of credentials, streams.

What starts a container is imported with this file, while the image is looked at.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jobwrap.control import Control
from jobwrap.failures import JobwrapError
from jobwrap.job.spec import Job
from jobwrap.launch.environment import runtime_environment
from jobwrap.launch.gate import Gate
from jobwrap.launch.keeper import Start
from jobwrap.launch.supervise import Container, TaskEnd
from jobwrap.settings import Settings
from jobwrap.signals import Signals
from jobwrap.stage.places import Places

if TYPE_CHECKING:
    from jobwrap.launch.credentials import Given
    from jobwrap.launch.streams import Streams
    from jobwrap.launch.watch import Watch
    from jobwrap.plan import Plan


class Launched:
    """start() comes first; then bring(), watch() and run() or abandon(), remove() always, close() at the end.

    streams  where the job wants other ones than ours
    """

    def __init__(self, job: Job, settings: Settings, control: Control, signals: Signals) -> None:
        self._job, self._settings, self._control, self._signals = job, settings, control, signals
        self._places = Places(job)
        self._given: Given | None = None
        self._container: Container | None = None
        self.streams: Streams | None = None

    def start(self, plan: Plan, *, append: bool) -> None:
        """The container; its task is held. append: to files of the task's streams that are there."""
        self._places.make_mount_points(
            ((mount.source, mount.target) for mount in plan.mounts), self._job.target
        )
        if plan.credentials:
            from jobwrap.launch.credentials import Given

            self._given = Given(plan.credentials, self._control.given, self._settings.deadline)
        if self._job.redirects():
            from jobwrap.launch.streams import Streams

            self.streams = Streams(self._job, append=append)
        stdout, stderr = (self.streams.stdout, self.streams.stderr) if self.streams else (1, 2)
        gate = Gate(plan.node.machine, stderr, folder=self._control.path)
        start = Start(
            argv=(*plan.runtime, *gate.argv(self._job.command)),
            environment=runtime_environment(os.environ, container=bool(plan.runtime)),
            folder=self._job.scratch,
            error=2,
            inherited=gate.inherited,
            locks=(self._control.lock,),
            output=stdout,
            doomed=self._control.given,
        )
        self._container = Container(start, gate, self._signals, self._job.grace)

    def bring(self, plan: Plan) -> None:
        """What the task finds that is no file of its own."""
        if self._given:
            self._given.bring()
        if self._job.here:
            self._places.link(plan.staging.bound)

    def run(
        self,
        plan: Plan,
        look: Callable[[], JobwrapError | None],
        say: Callable[[str], None],
        note: Callable[[dict[str, Any]], None],
    ) -> tuple[TaskEnd, Watch]:
        """Lets the task start, and waits for its end.

        look: what is wrong with the image; say, note: as start_watch() has them.
        """
        from jobwrap.launch.standing import Standing
        from jobwrap.launch.watch import start_watch

        assert self._container
        watch = start_watch(self._container.keeper, self._job, plan.node, self._settings, say, note)
        if self._given:
            watch.renew = self._given.renew
        if self.streams:
            self.streams.started()
        if self._job.here:
            self._container.adopt()
        self._container.open(plan.environment.settings)
        standing = Standing(look, self._settings.deadline)
        return self._container.wait(self._job.time, watch, standing), watch

    def abandon(self) -> None:
        """Ends a container whose task never started, or whose wait was broken off."""
        self._signals.raising = False
        if self._container:
            self._container.abandon()

    def remove(self) -> None:
        """Takes away what was made for the task alone."""
        self._places.remove()
        if self._given:
            self._given.remove()

    def close(self) -> None:
        """Waits until all of it has gone."""
        if self._container:
            self._container.close()

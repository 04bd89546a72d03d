"""The whole life of a job on one page, phase after phase; nothing else knows the order."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from jobwrap.asked import Asked, read_asked
from jobwrap.control import Control
from jobwrap.diagnose import Ending, as_end, diagnose, failed, unforeseen, with_infra_code
from jobwrap.failures import JOBWRAP, JobwrapError
from jobwrap.job.spec import Job
from jobwrap.log import Log, say
from jobwrap.look_around import look_around
from jobwrap.record import journal
from jobwrap.record.exitrecord import ExitRecord
from jobwrap.record.journal import Journal
from jobwrap.record.redact import Secrets, secrets_of
from jobwrap.signals import Signals

if TYPE_CHECKING:
    from jobwrap.arrivals import Arrivals
    from jobwrap.image.choose import Choice
    from jobwrap.launch.streams import Streams
    from jobwrap.launched import Launched
    from jobwrap.node.survey import Node
    from jobwrap.plan import Plan

_LONG = 300.0  # seconds of a task of which what costs a fifth of a second is less than a thousandth


def main(arguments: list[str]) -> int:
    """jobwrap [run] [options] -- COMMAND ARG…; the exit code."""
    signals = Signals()
    try:
        asked = read_asked(arguments, os.environ)
        if asked.call.get("dry-run"):
            from jobwrap.dryrun import dry_run

            dry_run(asked, os.environ)
            return 0
        run = Run(asked, signals)
    except JobwrapError as error:  # before there could be a record
        return _refuse(error)
    except Exception as error:
        return _refuse(_unforeseen(error, Secrets()))
    return run.run()


class Run:
    """One job from its first look at the node to its record's last word."""

    def __init__(self, asked: Asked, signals: Signals) -> None:
        self._asked, self._signals = asked, signals
        self._job: Job = asked.job
        self._secrets = secrets_of(os.environ, self._job)
        self._record = ExitRecord(self._job, self._secrets)
        self._log = Log(asked.call, self._record.identity(), self._secrets)
        self._journal = Journal(self._job.record or os.path.join(self._job.scratch, journal.NAME))
        self._control = Control(self._job.scratch)
        self._launched: Launched | None = None

    def run(self) -> int:
        """All of it; whatever happens, there is a record, and what the job made for itself is gone."""
        try:
            ending = self._ending()
        except JobwrapError as error:  # a signal that came just when something else had failed
            ending = failed(error)
        self._signals.raising = False
        ending = with_infra_code(ending, self._job.infra_exit_code)
        self._record.finish(as_end(ending))
        self._journal.finish(self._record.fields)
        if self._journal.delivered:
            self._control.remove()
        from jobwrap.lastword import tell

        tell(self._record.fields, ending, self._asked, self._log)
        if self._launched:
            self._launched.close()
        if self._job.reraise and ending.signal:
            from jobwrap.reraise import end_by

            end_by(ending.signal)
        return ending.code

    def _ending(self) -> Ending:
        try:
            return self._phases()
        except JobwrapError as error:
            return failed(error)
        except Exception as error:  # the last net: a defect still ends in a record
            return failed(_unforeseen(error, self._secrets))

    def _phases(self) -> Ending:
        node, choice = self._look_around()
        with choice:
            plan, launched = self._plan(node, choice)
            self._begin("launch", write=False)
            try:
                plan = self._launch(plan, choice, launched)
                # All that is imported from here on is imported while the container starts.
                from jobwrap.evidence.weigh import Evidence
                from jobwrap.guard import Guard

                evidence, guard = Evidence(), Guard(plan, choice.repository, self._asked.settings.deadline)
                self._stage_in(plan, launched)
                self._begin("task")
                end, watch = launched.run(plan, guard.look, self._log.warning, self._note_usage)
            except BaseException:
                launched.abandon()
                raise
            finally:
                launched.remove()
        self._begin("stage-out", write=bool(self._job.outputs))  # without any the last word is near
        self._record.note(usage=watch.total(end))
        self._record.moments = end.moments
        ending = diagnose(end, self._job, _runtime_name(plan), plan.node.container)
        lines = self._stream_ends(launched.streams) if launched.streams else None
        ending = evidence.weigh(ending, plan, self._record.fields["usage"], lines)
        return self._stage_out(guard.judge(ending))

    def _look_around(self) -> tuple[Node, Choice]:
        self._begin("survey")
        with self._signals:
            self._control.open()
        self._journal.open(self._control.path, dict(self._job.ids))
        self._journal.write(self._record.fields)
        return look_around(self._job, self._asked.settings, os.environ, self._asked.machine_ad)

    def _plan(self, node: Node, choice: Choice) -> tuple[Plan, Launched]:
        # All that is imported until the launch is imported while the image is looked at.
        from jobwrap.launched import Launched
        from jobwrap.plan import bring_image, judge_image, make_plan

        settings = self._asked.settings
        launched = self._launched = Launched(self._job, settings, self._control, self._signals)
        self._begin("plan")
        plan = make_plan(self._job, settings, node, choice, os.environ)
        if plan.image and plan.image.pull:
            self._note_plan(plan, sync=True)
            plan = bring_image(plan, settings, os.environ)
        if plan.staging.cached or plan.staging.sharing:
            plan = self._bring_inputs(judge_image(plan, choice))
        return plan, launched

    def _launch(self, plan: Plan, choice: Choice, launched: Launched) -> Plan:
        """The plan with the rest of what was asked about its image, and no reasons any more."""
        from jobwrap.plan import judge_image

        try:
            launched.start(plan, append=self._journal.restarted)
            plan = judge_image(plan, choice)
        finally:  # while it starts
            self._note_plan(plan)
        self._log.open()
        for reason in plan.reasons:
            self._log.debug(reason)
        return plan._replace(reasons=())  # they are on record, and with thousands of inputs as many

    def _note_plan(self, plan: Plan, *, sync: bool = False) -> None:
        """sync: the disk is waited for, before what may take long."""
        from jobwrap.told import as_record

        self._record.note(**as_record(plan))
        self._journal.write(self._record.fields, sync=sync)

    def _begin(self, phase: str, *, sync: bool = False, write: bool = True) -> None:
        self._record.begin(phase)
        self._log.info(phase)
        if write:
            self._journal.write(self._record.fields, sync=sync)

    def _note_usage(self, usage: dict[str, Any]) -> None:
        """Should the batch system kill the whole slot, the record has what was seen last."""
        self._record.note(usage=usage)
        cpu = self._record.fields["node"]["cpu"]
        if usage["seconds"] >= _LONG and "described" not in cpu:
            from jobwrap.node.describe import ask_cpu

            cpu["described"] = ask_cpu()
        self._journal.write(self._record.fields)

    def _bring_inputs(self, plan: Plan) -> Plan:
        """Those that come by the node's cache: bound from there, and a running container gets no new bind."""
        self._note_plan(plan, sync=True)
        arrivals = self._arrivals()
        arrivals.found(plan)
        if not plan.staging.sharing:
            return plan
        self._begin("stage-in")
        self._log.open()
        return arrivals.fetch(plan)

    def _stage_in(self, plan: Plan, launched: Launched) -> None:
        # The disk is waited for while the container starts.
        if plan.staging.sharing:  # what was to be fetched is there
            self._journal.write(self._record.fields, sync=True)
        else:
            self._begin("stage-in", sync=True)
        launched.bring(plan)
        if any(output.url for output in self._job.outputs):
            from jobwrap.stage.deliverable import check_deliverable
            from jobwrap.transfer.options import options_of

            check_deliverable(self._job.outputs, options_of(self._asked.settings, os.environ))
        if plan.staging.wanted:
            self._arrivals().fetch(plan)

    def _arrivals(self) -> Arrivals:
        from jobwrap.arrivals import Arrivals

        return Arrivals(self._asked, self._record, self._log)

    def _stream_ends(self, streams: Streams) -> tuple[str, ...] | None:
        """Notes what became of the task's streams; the last lines of stderr, None where it is ours."""
        told = streams.finish()
        self._record.note(streams=told)
        for name, stream in told.items():
            if "dropped" in stream:
                self._log.warning(f"{stream['dropped']} bytes of the task's {name} were dropped", **stream)
        return streams.evidence()

    def _stage_out(self, ending: Ending) -> Ending:
        if not self._job.outputs:
            return ending
        from jobwrap.departures import Departures

        return Departures(self._asked, self._record, self._log).deliver(ending, self._journal.place)


def _unforeseen(error: Exception, secrets: Secrets) -> JobwrapError:
    """The failure; of a defect all that helps to find it is said."""
    failure = unforeseen(error)
    if failure.failure.who == JOBWRAP:
        import traceback

        say(secrets.clean(traceback.format_exc().strip()))
    return failure


def _refuse(error: JobwrapError) -> int:
    say(error.sentence)
    return failed(error).code


def _runtime_name(plan: Plan) -> str:
    return plan.node.runtime.name if plan.node.runtime and plan.runtime else "jobwrap"

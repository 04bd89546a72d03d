"""Every way a job can end other than well: the one table, and the error that carries a row of it.

    job.        what was asked makes no sense                          the user
    policy.     what was asked is not allowed here                     the user
    input.      an input did not arrive                                the user, the data's server
    image.      the image is missing, broken or does not run here      the user, the image
    site.       the node cannot do what it should                      the site
    task.       the task itself, or the program that was to be it      the user
    output.     an output is missing or could not be delivered         the user, the data's server
    limit.      the job used more than it was granted                  the user
    batch.      the batch system ended the job                         the batch system
    jobwrap.    a defect of jobwrap's own                              jobwrap

Names are stable and can be matched by prefix. Exit codes follow sysexits.h where one fits, and the
shell's 126 and 127 for a task that could not be executed; the record, never the number alone,
says whether a code was the task's.
"""

from __future__ import annotations

from typing import NamedTuple

USER, SITE, DATA, IMAGE, BATCH, JOBWRAP = "user", "site", "data", "image", "batch", "jobwrap"
HERE, ELSEWHERE, LATER, NEVER = "here", "elsewhere", "later", "never"
REQUEUE, HOLD, LEAVE = "requeue", "hold", "leave"


class Failure(NamedTuple):
    """One row of the table.

    name      dotted and stable
    who       who must act: user, site, data, image, batch or jobwrap
    code      exit code of jobwrap; None where the task's own passes through
    advice    where a retry makes sense: here, elsewhere, later or never
    action    what a batch system should do with the job: requeue it, hold it with the sentence as the
              reason, or leave the queue as after any task
    sentence  what happened and what to do, with the facts as {names}
    """

    name: str
    who: str
    code: int | None
    advice: str
    action: str
    sentence: str


_ROWS = (
    # name, who, exit code, advice, action, sentence
    ("job.usage", USER, 64, NEVER, HOLD, "{problem}; see jobwrap --help"),
    ("job.file", USER, 65, NEVER, HOLD, "the job file {path} cannot be used: {problem}; correct it and submit again"),
    ("job.no_credential", USER, 77, NEVER, HOLD, "the credential {name} was asked for and cannot be had ({problem}); send one with the job, or leave --credential {name} out"),
    ("policy.forbidden", USER, 77, ELSEWHERE, HOLD, "this site does not allow {what} ({rule}); leave it out, or run at another site"),
    ("input.not_found", USER, 66, NEVER, HOLD, "input {name} was not found at any of its places ({places}); check its URL"),
    ("input.unreachable", DATA, 69, LATER, REQUEUE, "input {name} could not be fetched ({places}); try again later, or add another place for it"),
    ("input.denied", USER, 77, NEVER, HOLD, "input {name} may not be read ({places}); give a credential that may read it, or make it readable"),
    ("input.checksum", DATA, 65, ELSEWHERE, HOLD, "input {name} does not have the checksum that was asked for ({places}); check the checksum, or the data at its source"),
    ("input.scheme", USER, 64, NEVER, HOLD, "input {name} has a URL that jobwrap cannot fetch ({scheme}:); use one of {known}"),
    ("input.archive", USER, 65, NEVER, HOLD, "input {name} cannot be unpacked ({places}); it must be a whole tar or zip archive with nothing in it that leads outside"),
    ("input.no_space", SITE, 74, ELSEWHERE, REQUEUE, "there was no room left in {scratch} for input {name} ({problem}); run where there is more disk, or ask for more with --disk"),
    ("image.none", USER, 64, NEVER, HOLD, "no image was named and the site has no default; name one with --image"),
    ("image.not_found", USER, 66, NEVER, HOLD, "there is no image {image}{near}; check its name"),
    ("image.unreachable", DATA, 69, LATER, REQUEUE, "the image {image} could not be brought to this node: {problem}; try again later, or name one of the image tree"),
    ("image.broken", IMAGE, 65, ELSEWHERE, HOLD, "the image {image} cannot be used: {problem}; tell whoever keeps it, or name another"),
    ("image.needs_cpu", IMAGE, 72, ELSEWHERE, REQUEUE, "the image {image} needs {needs} and this CPU has {has}; run on a newer node, name an older variant, or try anyway with --ignore-needs"),
    ("image.needs_kernel", IMAGE, 72, ELSEWHERE, REQUEUE, "the image {image} needs {needs} and this node has {has}; run on a newer node, name an older image, or try anyway with --ignore-needs"),
    ("image.needs_gpu", IMAGE, 72, ELSEWHERE, REQUEUE, "the image {image} needs {needs} and this node has {has}; ask for such a GPU, name another variant, or try anyway with --ignore-needs"),
    ("image.driver_clash", IMAGE, 72, ELSEWHERE, HOLD, "this node's GPU driver ({library}) needs glibc {needs} and the image {image} has {has}; use an image with a newer glibc, or run where the driver is older"),
    ("image.unpinned", USER, 64, NEVER, HOLD, "the image {image} can change under its name, which --require-pinned does not allow; name what it is now instead: {path}"),
    ("image.withdrawn", IMAGE, 69, LATER, REQUEUE, "the image {image} was withdrawn while the task used it: {path} is gone; run the job again with the tag, or name one that is kept"),
    ("image.unsupported", USER, 64, NEVER, HOLD, "the image {image} is of a kind that jobwrap cannot run here ({problem}); name one of the image tree, a sandbox folder or a .sif file"),
    ("site.no_python", SITE, 69, ELSEWHERE, REQUEUE, "this node has no Python of at least 3.9 (found {found}); install python3.9 or newer, or run the job elsewhere"),
    ("site.no_runtime", SITE, 69, ELSEWHERE, REQUEUE, "no container runtime works on this node ({tried}); install Apptainer, or run with --here where the task needs no image"),
    ("site.no_nesting", SITE, 69, ELSEWHERE, REQUEUE, "jobwrap was started inside a container, and this node does not let it start another in there ({problem}); submit the job without an image, or use --here to run the task in this one"),
    ("site.no_user_namespaces", SITE, 69, ELSEWHERE, REQUEUE, "this node does not let ordinary users create namespaces ({problem}); the site must allow them, or install setuid Apptainer"),
    ("site.runtime_failed", SITE, 71, ELSEWHERE, REQUEUE, "{runtime} could not start the container: {problem}; run the job elsewhere, and tell the site"),
    ("site.cvmfs_missing", SITE, 69, ELSEWHERE, REQUEUE, "{path} is not mounted on this node; run where CVMFS is, or set CVMFS_BASE"),
    ("site.cvmfs_broken", SITE, 69, ELSEWHERE, REQUEUE, "{path} does not work on this node ({problem}); the site must repair its CVMFS mount"),
    ("site.cvmfs_hung", SITE, 69, ELSEWHERE, REQUEUE, "{path} did not answer within {seconds:.10g} s; the site must repair its CVMFS mount"),
    ("site.storage", SITE, 69, ELSEWHERE, REQUEUE, "{path} does not work on this node ({problem}); the site must look at that file system"),
    ("site.scratch", SITE, 73, ELSEWHERE, REQUEUE, "the scratch folder {path} cannot be used: {problem}; give another with --scratch"),
    ("site.exhausted", SITE, 71, ELSEWHERE, REQUEUE, "this node has no room for one more process, open file or piece of memory ({problem}); run the job elsewhere, or raise its limits there (ulimit -a)"),
    ("site.settings", SITE, 78, ELSEWHERE, REQUEUE, "the site's settings {path} cannot be used: {problem}; the site must correct them"),
    ("site.catalog", SITE, 69, ELSEWHERE, REQUEUE, "the site's image catalog {path} could not be had ({problem}), and this node has no earlier copy; the site must look at its server, or name an image by its path"),
    ("site.no_gpu", SITE, 69, ELSEWHERE, REQUEUE, "the job was granted GPU {granted} and this node has no such device; the site must look at its GPUs"),
    ("site.gpu_broken", SITE, 69, ELSEWHERE, REQUEUE, "the GPUs of this node do not work ({problem}); the site must look at them"),
    ("site.unsupported_cpu", SITE, 69, ELSEWHERE, REQUEUE, "jobwrap cannot start a task on this kind of CPU ({machine}); run on x86_64 or aarch64"),
    ("task.failed", USER, None, NEVER, LEAVE, "the task ended with exit code {code}; look at its own messages"),
    ("task.killed", USER, None, NEVER, LEAVE, "the task was ended by signal {signal} ({signal_name}); look at its own messages"),
    ("task.not_found", USER, 127, NEVER, HOLD, "the command {command} was not found in {where}{near}; check its name, or the image"),
    ("task.not_executable", USER, 126, NEVER, HOLD, "the command {command} could not be executed ({problem}); check its mode, its first line and its architecture"),
    ("output.scheme", USER, 64, NEVER, HOLD, "the output {name} has a URL that jobwrap cannot deliver to ({scheme}:); use one of {known}"),
    ("output.missing", USER, 66, NEVER, LEAVE, "the task ended well but did not write the output {name}; there is: {present}"),
    ("output.refused", USER, 77, NEVER, LEAVE, "the output {name} was not delivered: {problem}; write a plain file or folder inside the scratch folder"),
    ("output.undelivered", DATA, 74, LATER, HOLD, "the output {name} could not be delivered to {url}: {problem}; check the destination and try again"),
    ("limit.time", USER, None, ELSEWHERE, HOLD, "the task ran longer than the {seconds:.10g} s it was given; ask for more with --time"),
    ("limit.memory", USER, None, ELSEWHERE, HOLD, "the task used {used} of memory and was granted {granted}; ask for more with --memory"),
    ("limit.disk", USER, None, ELSEWHERE, HOLD, "the task had {used} in its scratch folder and was granted {granted}; ask for more with --disk"),
    ("batch.terminated", BATCH, None, HERE, LEAVE, "the job was ended from outside ({signal_name}): evicted, held or removed by the batch system, or stopped by hand; nothing to do if it is requeued"),
    ("batch.evicted", BATCH, None, HERE, LEAVE, "the batch system took the node away from the job; nothing to do if it is requeued"),
    ("batch.held", USER, None, NEVER, HOLD, "the job was put on hold: {reason}; mend that, then condor_release it"),
    ("batch.removed", USER, None, NEVER, LEAVE, "the job was removed from the queue: {reason}; submit it again if that was not meant"),
    ("batch.lost", BATCH, None, HERE, REQUEUE, "nothing was heard of the job after {moment}, in the phase {phase}; run it again, and if that repeats, ask for more memory or tell the site"),
    ("jobwrap.bug", JOBWRAP, 70, ELSEWHERE, HOLD, "jobwrap failed by a defect of its own ({problem}); please report it with the record"),
)  # fmt: skip  # one line a row reads as a table

FAILURES = {row[0]: Failure(*row) for row in _ROWS}


class JobwrapError(Exception):
    """The job ends here, for the reason that the table has under `name`; `facts` fill its sentence.

    Raised by every room; caught in one place, run.py.
    """

    def __init__(self, name: str, /, **facts: object) -> None:
        self.failure = FAILURES[name]
        self.facts = facts
        self.sentence = self.failure.sentence.format(**facts)
        super().__init__(self.sentence)

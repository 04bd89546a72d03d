"""What cannot be brought about at will: kills by the kernel, sick file systems, other kinds of node."""

import pytest

from jobwrap.diagnose import Ending
from jobwrap.evidence.judge import judge
from jobwrap.evidence.weigh import Scene
from jobwrap.failures import JobwrapError
from jobwrap.image.choose import Image
from jobwrap.image.needs import Need, Needs
from jobwrap.job.spec import Job
from jobwrap.launch.environment import Environment
from jobwrap.node.survey import survey
from jobwrap.plan import Plan
from jobwrap.stage.plan import Staging
from tests.image.making import machine


@pytest.fixture
def scene(tmp_path):
    """A scene with these slots, lines and so on: an x86-64-v2 node with 4 GiB granted."""

    def scene(*lines, level="x86-64-v2", memory=4 << 30, kind="sandbox", needs=(), **more):
        node = survey({}, {}, str(tmp_path))
        node = node._replace(
            cpu=machine("nehalem").cpu._replace(level=level, model="Xeon X5650"),
            slot=node.slot._replace(memory=memory),
        )
        image = Image(
            "htc/x:1", str(tmp_path), kind, "", "", Needs(needs, glibc="2.28"), (), program="/bin/task"
        )
        plan = Plan(
            Job(("./a",), scratch=str(tmp_path)),
            node,
            image,
            Staging((), (), ()),
            (),
            (),
            Environment((), ()),
            (),
            (),
        )
        return Scene(plan, more.pop("usage", {}), tuple(lines), **more)

    return scene


def killed(number):
    return Ending(
        128 + number, number, "task", JobwrapError("task.killed", signal=number, signal_name=f"SIG{number}")
    )


def failed(code):
    return Ending(code, None, "task", JobwrapError("task.failed", code=code))


def test_kills_that_the_jobs_own_cgroup_counted_are_no_guess(scene):
    judged = judge(killed(9), scene(usage={"oom_kills": 1, "peak_memory": 4 << 30}))
    assert judged.error.failure.name == "limit.memory"
    assert judged.error.sentence.startswith("the task used 4.0 GiB of memory and was granted 4.0 GiB")
    assert judged.guess is None
    assert judged.code == 137


def test_so_are_those_of_a_child_of_the_shell(scene):
    assert judge(failed(137), scene(usage={"oom_kills": 2})).error.failure.name == "limit.memory"


@pytest.mark.parametrize(
    ("usage", "more", "who"),
    [
        ({"peak_memory": int(3.9 * (1 << 30))}, {}, "user"),
        ({"peak_memory": 1 << 30}, {"killed": 3}, "user"),
        ({"peak_memory": 1 << 30}, {"killed": 0}, "batch"),
        ({}, {}, "batch"),
    ],
)
def test_a_kill_that_nobody_counted_is_guessed_at_by_the_memory(scene, usage, more, who):
    judged = judge(killed(9), scene(usage=usage, **more))
    assert (judged.error.failure.name, judged.guess.who) == ("task.killed", who)
    assert any("granted" in fact for fact in judged.evidence)


def test_an_illegal_instruction_on_an_old_cpu_has_the_images_needs_beside_it(scene):
    need = Need("level", "x86-64-v3", "the label cpu of the image")
    judged = judge(killed(4), scene(needs=(need,)))
    assert judged.evidence == (
        "this CPU has x86-64-v2 (Xeon X5650)",
        "it lacks x86-64-v3: abm, avx, avx2, bmi1, bmi2, f16c, fma, movbe, xsave",
        "it lacks x86-64-v4: avx512bw, avx512cd, avx512dq, avx512f, avx512vl",
        "the label cpu of the image asks for x86-64-v3",
        "/bin/task itself does not say what it asks for",
    )
    assert judged.guess.advice == "elsewhere"
    assert judge(killed(4), scene(level="x86-64-v4")).guess.advice == "never"


def test_a_bus_error_in_a_sif_is_its_files(scene):
    assert "a page of an image file" in judge(killed(7), scene(kind="sif", free=(1 << 40, 9))).guess.sentence
    assert "could not grow" in judge(killed(7), scene(free=(4096, 9))).guess.sentence


@pytest.mark.parametrize(
    ("line", "guess", "advice"),
    [
        (
            "./a: /lib64/libc.so.6: version `GLIBC_2.34' not found (required by ./a)",
            "glibc 2.34 and the image has 2.28",
            "never",
        ),
        ("./a: /lib64/libstdc++.so.6: version `GLIBCXX_3.4.30' not found", "(GLIBCXX_3.4.30)", "never"),
        (
            "./a: error while loading shared libraries: libCore.so: cannot open shared object file: No such",
            "the library libCore.so",
            "never",
        ),
        (
            "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
            "the library libGL.so.1",
            "never",
        ),
        ("Fatal glibc error: CPU does not support x86-64-v3", "built for a newer CPU", "elsewhere"),
        ("libx.so: CPU ISA level is lower than required", "built for a newer CPU", "elsewhere"),
        ("ModuleNotFoundError: No module named 'uproot'", "the Python module uproot", "never"),
        ("job.sh: line 2: $'\\r': command not found", "CR LF", "never"),
        ("/usr/bin/env: 'python3\\r': No such file or directory", "CR LF", "never"),
        ("bash: ./a: /bin/bash^M: bad interpreter: No such file or directory", "CR LF", "never"),
        ("sh: 1: ./a: Exec format error", "another kind of CPU", "elsewhere"),
        ("cp: error writing 'x': No space left on device", "a disk was full", "elsewhere"),
        ("write: Disk quota exceeded", "a disk was full", "elsewhere"),
        ("terminate called after throwing an instance of 'std::bad_alloc'", "not memory enough", "elsewhere"),
        (
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB",
            "the GPU's memory",
            "elsewhere",
        ),
        (
            "RuntimeError: CUDA driver version is insufficient for CUDA runtime version",
            "the GPU could not",
            "elsewhere",
        ),
        ("ls: cannot access '/cvmfs/x': Transport endpoint is not connected", "a file system", "elsewhere"),
        ("OSError: [Errno 24] Too many open files: 'x'", "ulimit -n", "elsewhere"),
        ("curl: (6) Could not resolve host: example.org", "could not reach a server", "later"),
    ],
)
def test_what_programs_write_is_read(scene, line, guess, advice):
    judged = judge(failed(1), scene("before", line, "after it"))
    assert guess in judged.guess.sentence
    assert judged.guess.advice == advice
    assert judged.evidence == (f"it wrote: {line}",)


def test_the_last_line_that_tells_something_counts(scene):
    judged = judge(failed(1), scene("Connection refused", "retrying", "No space left on device", "bye"))
    assert judged.guess.sentence.startswith("a disk was full")


def test_an_ordinary_failure_has_no_guess(scene):
    judged = judge(failed(1), scene("Error: the fit did not converge"))
    assert (judged.guess, judged.evidence) == (None, ())


@pytest.mark.parametrize("name", ["limit.time", "batch.terminated", "input.unreachable"])
def test_where_the_cause_is_known_nothing_is_guessed(scene, name):
    error = JobwrapError(name, seconds=1, signal=15, signal_name="SIGTERM", name="x", places="y")
    ending = Ending(143, 15, "task", error)
    assert judge(ending, scene("No space left on device")) == ending

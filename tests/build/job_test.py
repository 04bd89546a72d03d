"""Whole jobs out of the shipped file, on the worker node, as the ordinary user."""

import shutil

import pytest

from tests.build.shipping import run, with_program, within

pytestmark = pytest.mark.node
JOB = ("--image", "htc/debian:12", "--", "sh", "-c", "echo from the container; exit 7")


@pytest.fixture
def scratch(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_a_job_runs_from_a_folder_that_is_noexec_and_read_only(shipped, tmp_path, scratch):
    folder = tmp_path / "folder"
    folder.mkdir()
    script = """
set -e
mount -t tmpfs -o noexec tmpfs "$1" && cp "$2" "$1/jobwrap" && mount -o remount,bind,ro,noexec "$1"
for forbidden in "$1/jobwrap --version" "touch $1/new"; do $forbidden 2>/dev/null && exit 1; done
file=$1 && shift 2 && exec sh "$file/jobwrap" "$@"
"""
    enter = ("unshare", "--map-current-user", "--keep-caps", "--mount", "sh", "-c", script, "sh")
    ran = run(*enter, folder, shipped, *JOB, cwd=scratch)
    assert (ran.returncode, ran.stdout) == (7, "from the container\n"), ran.stderr


def test_a_job_runs_by_any_name_from_a_folder_with_spaces_and_through_a_symlink(shipped, tmp_path, scratch):
    folder = tmp_path / 'a folder\'s "name" $x'
    folder.mkdir()
    shutil.copy(shipped, folder / "condor_exec.exe")
    (folder / "a link").symlink_to("condor_exec.exe")
    for name in ("condor_exec.exe", "a link"):
        ran = run(folder / name, *JOB, cwd=scratch)
        assert (ran.returncode, ran.stdout) == (7, "from the container\n"), ran.stderr


def test_a_job_runs_under_an_isolated_python_whatever_the_environment_says(shipped, scratch):
    (scratch / "json.py").write_text("raise SystemExit('not this one')")
    poisoned = {"PYTHONPATH": str(scratch), "PYTHONHOME": "/nonexistent", "PATH": "/usr/bin:/bin"}
    for command in ([shipped], ["/usr/bin/python3", "-I", shipped]):
        ran = run(*command, *JOB, cwd=scratch, env=poisoned)
        assert (ran.returncode, ran.stdout) == (7, "from the container\n"), ran.stderr


def test_psutil_is_loaded_where_no_folder_allows_programs(shipped, tmp_path):
    prepare = f"mount -t tmpfs -o noexec tmpfs {tmp_path} && cp {shipped} {tmp_path}/jobwrap && "
    code = "import psutil\nprint(psutil.Process().memory_info().rss > 0, psutil.__file__)"
    command = ["python3", "-I", "-S", "-c", with_program(shipped, code), f"{tmp_path}/jobwrap"]
    ran = run("unshare", "-rm", "sh", "-c", prepare + 'exec "$@"', "sh", *command)
    assert ran.stdout == f"True {tmp_path}/jobwrap/psutil/__init__.py\n"


def test_a_whole_job_is_run_out_of_what_was_read_at_its_start(shipped, nginx, tmp_path):
    """No group is read, which would cost tens of milliseconds and need the file to be there still."""
    nginx.root.mkdir(exist_ok=True)
    (nginx.root / "data").write_text("42")
    (tmp_path / "scratch").mkdir()
    code = """
from jobwrap.bundle import Bundle
def refuse(self, package): raise SystemExit(f"{package} was read")
Bundle._group = refuse
from jobwrap.__main__ import program
program()
"""
    job = ["--image", "htc/debian:12", "--input", f"{nginx.url}/data", "--output", f"copy={tmp_path}/copy"]
    within(shipped, "/usr/bin/python3", code, *job, "--", "cp", "data", "copy", cwd=tmp_path / "scratch")
    assert (tmp_path / "copy").read_text() == "42"


def test_of_what_is_unpacked_later_only_what_is_imported_becomes_code(shipped):
    """The rest would be with jobwrap as long as its task runs."""
    code = """
bundle = sys.meta_path[0]
early = set(bundle._files)
import jobwrap.transfer.url
late = [content for path, content in bundle._files.items() if path not in early]
print(len(late) > 30, {type(content).__name__ for content in late})
"""
    assert within(shipped, "/usr/bin/python3", code) == "True {'bytes'}\n"


def test_a_job_with_nothing_to_stage_unpacks_only_what_comes_first(shipped, tmp_path):
    code = """
from jobwrap.bundle import Bundle
def refuse(self): raise SystemExit("the rest was unpacked")
Bundle._unpack_later = refuse
from jobwrap.__main__ import program
program()
"""
    within(shipped, "/usr/bin/python3", code, "--image", "htc/debian:12", "--", "touch", "new", cwd=tmp_path)
    assert (tmp_path / "new").exists()


WATCH = """
import os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in {slow}:
            os.write(os.open("{said}", os.O_WRONLY | os.O_CREAT | os.O_APPEND), name.encode() + b" ")
sys.meta_path.insert(0, Watch())
from jobwrap.__main__ import program
program()
"""
SLOW = ("collections", "enum", "functools", "hashlib", "json", "queue", "re", "socket", "threading")
AD = """ClusterId = 7
Cmd = "/bin/true"
Arguments = "a 1.5"
Environment = "A=1 B=two"
JobPrio = -5
Rank = 0.0
OnExitHold = false
Requirements = (TARGET.Arch == "X86_64") && (TARGET.HasFileTransfer)
RequestMemory = ifthenelse(MemoryUsage =!= undefined,MemoryUsage,128)
"""


def imported(shipped, tmp_path, *words, **more):
    """Which of the slow modules any process of a job imported."""
    said = tmp_path / "said"
    within(shipped, "/usr/bin/python3", WATCH.format(slow=SLOW, said=said), *words, cwd=tmp_path, **more)
    return said.read_text() if said.exists() else ""


def test_no_process_of_a_plain_job_imports_what_takes_longest_of_the_standard_library(shipped, tmp_path):
    assert imported(shipped, tmp_path, "--image", "htc/debian:12", "--", "true") == ""


def test_no_process_of_a_job_of_htcondors_does_either(shipped, tmp_path):
    (tmp_path / ".job.ad").write_text(AD)
    environ = {"_CONDOR_SCRATCH_DIR": str(tmp_path), "_CONDOR_JOB_AD": str(tmp_path / ".job.ad")}
    words = ("--image", "htc/debian:12", "--memory", "2G", "--time", "1:30:00", "--", "true")
    assert imported(shipped, tmp_path, *words, env=environ) == ""


def test_an_import_of_them_would_be_seen(shipped, tmp_path):
    words = ("--image", "htc/debian:12", "--output", "c*", "--", "touch", "copy")
    assert {"functools", "re"} <= set(imported(shipped, tmp_path, *words).split())


def test_none_that_moves_a_few_small_files_does_either(shipped, nginx, tmp_path):
    nginx.root.mkdir(exist_ok=True)
    (nginx.root / "data").write_text("42")
    words = (
        "--input",
        f"{nginx.url}/data",
        "--output",
        f"copy={tmp_path}/delivered",
        "--",
        "cp",
        "data",
        "copy",
    )
    assert imported(shipped, tmp_path, "--image", "htc/debian:12", *words) == ""
    assert (tmp_path / "delivered").read_text() == "42"

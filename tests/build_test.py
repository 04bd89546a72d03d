"""The shipped file, as bin/build makes it, under each Python and each shell that is at hand."""

import ast
import importlib
import lzma
import marshal
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest

from jobwrap import __version__
from jobwrap.failures import FAILURES

REPO = Path(__file__).parents[1]
NO_PYTHON = FAILURES["site.no_python"]
PLACES = b"/usr/bin /usr/local/bin"
HELLO = f"jobwrap {__version__}\n"


def named(pattern):
    """Pythons here by the name of their version: {"3.9": path}."""
    folders = [Path("/usr/bin"), Path("/usr/local/bin"), *sorted(Path.home().glob(".pyenv/versions/*/bin"))]
    found = {}
    for path in (path for folder in folders for path in sorted(folder.glob("python?.*"))):
        if version := re.fullmatch(pattern, path.name):
            found.setdefault(version[1], path)
    return found


PYTHONS = named(r"python(3\.(?:9|\d\d))")
OLD_PYTHONS = named(r"python(2\.\d|3\.[0-8])")
each_python = pytest.mark.parametrize("python", PYTHONS.values(), ids=PYTHONS.keys())
each_shell = pytest.mark.parametrize(
    "shell", [name for name in ("dash", "bash", "busybox") if shutil.which(name)]
)


def run(*command, env=None, **more):
    """Runs the command with an empty environment unless one is given."""
    command = [str(word) for word in command]
    return subprocess.run(
        command, env=env or {}, capture_output=True, text=True, timeout=120, check=False, **more
    )


def build(tree, target, **environment):
    kept = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "XDG_CACHE_HOME", "JOBWRAP_WORKER_NODE")
        if name in os.environ
    }
    ran = run(tree / "bin/build", target, env={**kept, **environment})
    assert ran.returncode == 0, ran.stderr


def copy_of_tree(tree, target):
    ignored = shutil.ignore_patterns(".git", "dist", "tests", "__pycache__", ".*_cache")
    return Path(shutil.copytree(tree, target, ignore=ignored))


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """The sources as they are now: others may be at work on them."""
    return copy_of_tree(REPO, tmp_path_factory.mktemp("tree") / "jobwrap")


@pytest.fixture(scope="session")
def shipped(request):
    """On the worker node, where nothing can be built, it is dist/jobwrap."""
    if "JOBWRAP_ON_WORKER_NODE" in os.environ:
        return REPO / "dist/jobwrap"
    target = request.getfixturevalue("tmp_path_factory").mktemp("shipped") / "jobwrap"
    build(request.getfixturevalue("tree"), target)
    return target


@pytest.fixture
def anywhere(shipped, tmp_path):
    """A copy that looks for its Python in PATH alone; the copy is as long, as it knows its own places."""
    path = tmp_path / "jobwrap"
    path.write_bytes(shipped.read_bytes().replace(PLACES, b" " * len(PLACES)))
    path.chmod(0o755)
    return path


def program(path, script):
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def start_of(shipped):
    """The program that the shell lines start Python with: from the place that they name."""
    whole = shipped.read_bytes()
    at, size = map(int, re.search(rb"f\.seek\( *(\d+)\); exec\(f\.read\( *(\d+)\)\)", whole).groups())
    return whole[at : at + size].decode()


def with_program(shipped, code):
    """The same, but with code in place of jobwrap's own program; its imports find what is in the file."""
    start = start_of(shipped)
    changed = start.replace("from jobwrap.__main__ import program\n\nprogram()\n", code)
    assert changed != start
    return f"import sys\ndel sys.argv[0]\n{changed}"


def within(shipped, python, code, *arguments, **more):
    ran = run(python, "-I", "-S", "-c", with_program(shipped, code), shipped, *arguments, **more)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


# What it is.


def test_two_builds_in_different_places_have_the_same_bytes(shipped, tree, tmp_path):
    other = copy_of_tree(tree, tmp_path / "another folder")
    for path in other.rglob("*.py"):
        os.utime(path, (1, 1))
    build(other, tmp_path / "again", TZ="Asia/Tokyo", LANG="C", PYTHONHASHSEED="7", PYTHONOPTIMIZE="1")
    assert (tmp_path / "again").read_bytes() == shipped.read_bytes()


def test_it_is_one_executable_file_of_at_most_1_5_MB(shipped):
    assert shipped.stat().st_size <= 1_500_000
    assert stat.S_IMODE(shipped.stat().st_mode) == 0o755


@each_python
def test_nothing_in_it_names_a_path_of_the_machine_that_built_it(shipped, python, tree):
    show = "import sys, pkgutil, jobwrap.cli as cli\nprint(repr(cli.main.__code__.co_filename))"
    assert within(shipped, python, show) == "'<jobwrap>/jobwrap/cli.py'\n"
    whole = shipped.read_bytes()
    with zipfile.ZipFile(shipped) as archive:
        for name in archive.namelist():
            if name.startswith("cpython-"):
                first, later = marshal.loads(archive.read(name))
                whole += zlib.decompress(first) + lzma.decompress(later)
    for path in (tree, REPO, Path.home() / ".cache", sys.prefix):
        assert str(path).encode() not in whole


def test_the_list_has_every_entry_and_its_sizes_add_up(shipped, tmp_path):
    listed = run(REPO / "bin/build", "--list", shipped, env=dict(os.environ)).stdout.splitlines()
    sizes = {line.split()[1]: int(line.split()[0].replace(",", "")) for line in listed if line[8].isdigit()}
    with zipfile.ZipFile(shipped) as archive:
        entries = {entry.filename: entry.file_size for entry in archive.infolist()}
    assert {name: sizes.get(name) for name in entries} == entries
    assert sizes[str(shipped)] == shipped.stat().st_size
    assert any(line.split()[0] == "psutil/_psutil_linux.abi3.so" for line in listed)


# How it starts.


@each_shell
def test_it_starts_without_any_environment_under_each_shell(shipped, shell):
    ran = run(*([shell, "sh"] if shell == "busybox" else [shell]), shipped, "--version")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, HELLO, "")


@each_python
def test_it_starts_with_each_python_as_a_plain_zip(shipped, python):
    ran = run(python, "-I", shipped, "--version")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, HELLO, "")


@each_python
def test_it_starts_each_python_that_is_the_only_one_in_path(anywhere, python, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / python.name).symlink_to(python)
    ran = run(anywhere, "--version", env={"PATH": f"/nowhere::{tmp_path}/bin"})
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, HELLO, "")


@pytest.mark.parametrize(
    "name", ["condor_exec.exe", "a b 'c' \"d\" $e", "-x", "jobwrap.pyc", "Ä", "job.sh\nwrap"]
)
def test_it_starts_under_any_name(shipped, tmp_path, name):
    shutil.copy(shipped, tmp_path / name)
    for command in ([tmp_path / name], [f"./{name}"], ["sh", "--", name]):
        assert run(*command, "--version", cwd=tmp_path).stdout == HELLO


def test_it_starts_through_a_symlink_and_through_path(shipped, tmp_path):
    (tmp_path / "a link").symlink_to(shipped)
    assert run(tmp_path / "a link", "--version").stdout == HELLO
    found = run("sh", "-c", "'a link' --version", env={"PATH": f"{tmp_path}:/usr/bin"})
    assert found.stdout == HELLO


def test_it_writes_nothing(shipped, tmp_path):
    (tmp_path / "home").mkdir()
    shutil.copy(shipped, tmp_path / "jobwrap")
    assert (
        run(
            tmp_path / "jobwrap", "--help", cwd=tmp_path / "home", env={"HOME": f"{tmp_path}/home"}
        ).returncode
        == 0
    )
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["home", "jobwrap"]


def test_arguments_arrive_as_they_were(anywhere, tmp_path):
    program(tmp_path / "bin/python3.12", 'shift 4; shift; printf "<%s>" "$@"')
    ran = run(anywhere, "", "a b", "*", "$x", "é", env={"PATH": f"{tmp_path}/bin:/usr/bin"})
    assert ran.stdout == "<><a b><*><$x><é>"


# Which Python it starts.


def versions(shipped):
    return re.search(rb"versions='([\d.:]+)'", shipped.read_bytes())[1].decode().split(":")


def test_the_newest_python_with_bytecode_comes_before_newer_and_older_ones(anywhere, tmp_path):
    known = versions(anywhere)
    for number, version in enumerate(["3.8", *known]):
        program(tmp_path / f"{number % 3}/python{version}", f"echo {version}")
    assert run(anywhere, env={"PATH": f"{tmp_path}/0:{tmp_path}/1:{tmp_path}/2"}).stdout == f"{known[0]}\n"


def test_a_newer_python_than_any_with_bytecode_is_taken_where_there_is_no_other(anywhere, tmp_path):
    newest = max(versions(anywhere), key=lambda version: int(version[2:]))
    program(tmp_path / f"bin/python{newest}", "echo newest")
    program(tmp_path / "bin/python3", "echo bare")
    assert run(anywhere, env={"PATH": f"{tmp_path}/bin"}).stdout == "newest\n"


def test_a_python_that_tells_its_version_by_its_name_is_not_asked_for_it(anywhere, tmp_path):
    program(tmp_path / "bin/python3.9", "echo started")
    assert run(anywhere, env={"PATH": f"{tmp_path}/bin"}).stdout == "started\n"


def test_a_bare_python3_is_taken_when_it_is_new_enough(anywhere, tmp_path):
    (tmp_path / "old").mkdir()
    program(tmp_path / "old/python3", '[ "$1" = -V ] && echo Python 3.6.8; exit 1')
    (tmp_path / "new").mkdir()
    (tmp_path / "new/python3").symlink_to(next(iter(PYTHONS.values())))
    assert run(anywhere, "--version", env={"PATH": f"{tmp_path}/old:{tmp_path}/new"}).stdout == HELLO


def test_shims_folders_and_plain_files_are_not_taken_for_pythons(anywhere, tmp_path):
    program(tmp_path / "shims/python3.12", "echo shim")
    (tmp_path / "folder/python3.12").mkdir(parents=True)
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/python3.12").write_text("")
    program(tmp_path / "a b*/python3.9", "echo right")
    folders = ("shims", "folder", "plain", "a b*")
    path = ":".join(f"{tmp_path}/{folder}" for folder in folders)
    assert run(anywhere, env={"PATH": path}).stdout == "right\n"


def test_the_system_folders_come_before_path(shipped, tmp_path):
    program(tmp_path / "bin/python3.13", "echo wrong")
    assert run(shipped, "--version", env={"PATH": f"{tmp_path}/bin"}).stdout == HELLO


# Where there is none.


@each_shell
def test_a_node_without_python_gets_the_sentence_and_the_code_of_the_table(anywhere, shell, tmp_path):
    command = [shutil.which(shell), *(["sh"] if shell == "busybox" else [])]
    ran = run(*command, anywhere, "--", "true", env={"PATH": str(tmp_path)})
    assert (ran.returncode, ran.stdout) == (NO_PYTHON.code, "")
    assert ran.stderr == f"jobwrap: {NO_PYTHON.sentence.format(found='none')}\n"


def test_an_older_python3_is_named_with_its_version(anywhere, tmp_path):
    program(tmp_path / "bin/python3", '[ "$1" = -V ] && echo Python 3.6.8; exit 1')
    ran = run(anywhere, env={"PATH": f"{tmp_path}/bin"})
    found = f"{tmp_path}/bin/python3 is Python 3.6.8"
    assert ran.returncode == NO_PYTHON.code
    assert ran.stderr == f"jobwrap: {NO_PYTHON.sentence.format(found=found)}\n"


@pytest.mark.parametrize("python", OLD_PYTHONS.values(), ids=OLD_PYTHONS.keys())
def test_an_older_python_that_is_told_to_run_it_says_so_without_a_traceback(shipped, python):
    ran = run(python, shipped)
    version = run(python, "-c", "import sys; print(sys.version.split()[0])").stdout.strip()
    assert (ran.returncode, ran.stdout) == (NO_PYTHON.code, "")
    assert ran.stderr == f"jobwrap: {NO_PYTHON.sentence.format(found=version)}\n"


def test_the_part_that_older_pythons_read_is_in_their_language(shipped):
    main = start_of(shipped)
    ast.parse(main, feature_version=(3, 4))
    ran = run(sys.executable, "-c", f"import sys\nsys.version_info = (3, 6, 8)\n{main}")
    assert ran.returncode == NO_PYTHON.code


# What it finds in itself.

# What shows that a package works; those that jobwrap does not import are not in the file.
PROOFS = {
    "certifi": """
import certifi, os, ssl
certificates = ssl.create_default_context(cadata=certifi.contents()).get_ca_certs()
assert len(certificates) > 100 and os.path.exists(certifi.where())
os.path.exists = lambda path: False
assert ssl.create_default_context(cafile=certifi.where()).get_ca_certs() == certificates
""",
    "cpuinfo": "import cpuinfo.cpuinfo\nassert cpuinfo.cpuinfo.DataSource",
    "psutil": "import psutil\nassert psutil.Process().memory_info().rss > 1 << 20",
    "requests": "import requests\nassert requests.Session().get_adapter('https://example.org')",
    "spython": """
from spython.main.parse.parsers import DockerParser
from spython.main.parse.writers import SingularityWriter
assert DockerParser and SingularityWriter
""",
    "structlog": "import structlog\nassert structlog.get_logger()",
    "tomli": "import tomli\nassert tomli.loads('a = 1') == {'a': 1}",
}


def proofs(shipped):
    packages = {
        name.removesuffix(".xz") for name in zipfile.ZipFile(shipped).namelist() if name.endswith(".xz")
    }
    assert "cpuinfo" in packages
    return "\n".join(PROOFS.get(package, "") for package in sorted(packages)) + "\nprint('good')\n"


@each_python
def test_the_packages_in_it_work_with_each_python(shipped, python):
    assert within(shipped, python, proofs(shipped)).splitlines()[-1] == "good"


@each_python
def test_every_module_of_jobwrap_can_be_imported_from_it(shipped, python, tree):
    paths = [path.relative_to(tree) for path in (tree / "jobwrap").rglob("*.py")]
    names = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]
    code = """
import importlib
for name in sys.argv[1:]: assert importlib.import_module(name).__name__ == name
print("all")
"""
    assert within(shipped, python, code, *sorted(names)) == "all\n"


def test_a_python_without_bytecode_in_it_compiles_what_it_imports(shipped, tmp_path):
    """Its mark is made one that no Python has, for the lack of a Python that nobody knows."""
    from _frozen_importlib_external import MAGIC_NUMBER

    mark = repr(MAGIC_NUMBER[:2]).encode()
    assert shipped.read_bytes().count(b"    " + mark + b": (") == 1
    unknown = tmp_path / "jobwrap"
    unknown.write_bytes(
        shipped.read_bytes().replace(b"    " + mark + b": (", b'    b"\\0"'.ljust(len(mark) + 4) + b": (", 1)
    )
    assert within(unknown, sys.executable, proofs(shipped)).splitlines()[-1] == "good"
    assert run(sys.executable, "-I", "-S", unknown, "--version").stdout == HELLO


def test_a_traceback_shows_the_lines_of_the_source(shipped, tree):
    code = """
import traceback, jobwrap.failures
try: jobwrap.failures.JobwrapError("none")
except KeyError: print(traceback.format_exc())
"""
    shown = within(shipped, next(iter(PYTHONS.values())), code)
    number, line = re.search(
        r'File "<jobwrap>/jobwrap/failures.py", line (\d+), in __init__\n    (.*)', shown
    ).groups()
    assert (tree / "jobwrap/failures.py").read_text().splitlines()[int(number) - 1].strip() == line


def test_modules_lose_comments_and_docstrings_and_keep_their_lines(monkeypatch):
    monkeypatch.syspath_prepend(REPO / "bin/bundle")
    contents = importlib.import_module("contents")

    source = b'''"""Doc."""  # one
import os  # two

class A:
    """More

    of it."""; b = "# no comment"

    def f(self): "doc"  # three
'''
    assert (
        contents.bare(source)
        == """""
import os

class A:
    ""; b = "# no comment"



    def f(self): ""
"""
    )


def test_data_beside_a_module_is_read_and_what_is_not_there_is_missing(shipped):
    code = """
import os, jobwrap.record, jobwrap.launch.gate as gate
loader, folder = gate.__spec__.loader, os.path.dirname(gate.__file__)
print(loader.get_data(os.path.join(folder, "x86_64"))[:4])
print(loader.get_data(os.path.join(folder, "../../record/schema.json"))[:1])
for path in ("x86", "__init__.py", "../../../../x"):
    try: print(loader.get_data(os.path.join(folder, path)))
    except FileNotFoundError: print("missing")
"""
    said = within(shipped, next(iter(PYTHONS.values())), code)
    assert said == "b'\\x7fELF'\nb'{'\nmissing\nmissing\nmissing\n"


def test_a_package_is_not_taken_from_a_file_that_changed_after_the_start(shipped, tmp_path):
    copy = tmp_path / "jobwrap"
    shutil.copy(shipped, copy)
    code = """
import jobwrap.cli
whole = bytearray(open(sys.argv[0], "rb").read())
place = whole.index(b"tomli.xz") + 2000
whole[place] ^= 1
open(sys.argv[0], "wb").write(whole)
try: import tomli
except ImportError as error: print(error)
"""
    said = within(copy, next(iter(PYTHONS.values())), code)
    assert said == f"{copy} was changed after jobwrap had started from it\n"


def test_what_a_launch_imports_needs_the_file_no_more(shipped, tmp_path):
    """The scratch folder that it was started from may be gone before the job is."""
    copy = tmp_path / "jobwrap"
    shutil.copy(shipped, copy)
    code = """
import os
os.unlink(sys.argv[0])
import jobwrap.run, jobwrap.stage.outputs, jobwrap.transfer.crew
print("good")
"""
    assert within(copy, next(iter(PYTHONS.values())), code) == "good\n"


# The other ways to the same command.


def test_the_source_tree_runs_isolated_from_the_environment(tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('not this one')")
    (tmp_path / "link").symlink_to(REPO / "bin/jobwrap")
    ran = run(
        tmp_path / "link",
        "--help",
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)},
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_python_m_is_the_same_command():
    assert run(sys.executable, "-m", "jobwrap", "--version", cwd=REPO).stdout == HELLO


def test_a_full_disk_behind_stdout_is_an_error():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "jobwrap", "--version"]
        assert subprocess.run(command, cwd=REPO, env={}, stdout=full, check=False).returncode == 74


def test_pip_installs_the_same_command_with_all_its_data(shipped, tree, tmp_path):
    source = copy_of_tree(tree, tmp_path / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    ran = run(*pip, "--target", tmp_path / "there", source, env=dict(os.environ))
    assert ran.returncode == 0, ran.stderr
    assert (
        run(tmp_path / "there/bin/jobwrap", "--version", env={"PYTHONPATH": f"{tmp_path}/there"}).stdout
        == HELLO
    )
    with zipfile.ZipFile(shipped) as archive:
        data = marshal.loads(zlib.decompress(marshal.loads(archive.read("source"))[0]))[0]
    for path, content in data.items():
        assert (tmp_path / "there" / path).read_bytes() == content


# On the worker node, as the ordinary user.


@pytest.mark.node
def test_it_runs_from_a_folder_that_is_noexec_and_read_only(shipped, tmp_path):
    script = f"""
mount -t tmpfs -o noexec tmpfs {tmp_path} && cp {shipped} {tmp_path}/jobwrap
mount -o remount,ro,noexec {tmp_path}
{tmp_path}/jobwrap --version 2>/dev/null && exit 1
exec sh {tmp_path}/jobwrap --version
"""
    ran = run("unshare", "-rm", "sh", "-c", script)
    assert (ran.returncode, ran.stdout) == (0, HELLO)


@pytest.mark.node
def test_psutil_is_loaded_where_no_folder_allows_programs(shipped, tmp_path):
    prepare = f"mount -t tmpfs -o noexec tmpfs {tmp_path} && cp {shipped} {tmp_path}/jobwrap && "
    code = "import psutil\nprint(psutil.Process().memory_info().rss > 0, psutil.__file__)"
    command = ["python3", "-I", "-S", "-c", with_program(shipped, code), f"{tmp_path}/jobwrap"]
    ran = run("unshare", "-rm", "sh", "-c", prepare + 'exec "$@"', "sh", *command)
    assert ran.stdout == f"True {tmp_path}/jobwrap/psutil/__init__.py\n"


@pytest.mark.node
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


@pytest.mark.node
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


@pytest.mark.node
def test_a_task_s_exit_code_is_the_shipped_file_s(shipped, tmp_path):
    shutil.copy(shipped, tmp_path / "condor_exec.exe")
    ran = run("./condor_exec.exe", "--image", "htc/debian:12", "--", "sh", "-c", "exit 7", cwd=tmp_path)
    assert ran.returncode == 7

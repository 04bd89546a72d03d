"""What the shipped file finds in itself: its modules, packages and data."""

import importlib
import re
import shutil
import sys
import types
import zipfile

from tests.build.shipping import HELLO, PYTHONS, REPO, each_python, run, within

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


def compile_py():
    """bin/bundle's module of that name, whose last lines read stdin."""
    source = (REPO / "bin/bundle/compile.py").read_text()
    module = types.ModuleType("compile")
    exec(source[: source.index("\napart, parts = ")], module.__dict__)
    return module


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


@each_python
def test_what_jobwrap_takes_of_a_module_is_in_what_that_module_is_made_of(shipped, python, tree):
    compiler = compile_py()
    used = {f"{engine}.{name}" for name, engine in compiler.PIECES.items()}
    for path in (tree / "jobwrap").rglob("*.py"):
        text = path.read_text()
        for name, engine in compiler.ENGINES.items():
            if f"import {name}\n" in text:
                used |= {f"{engine}.{each}" for each in re.findall(rf"\b{name}\.([A-Za-z_0-9]+)", text)}
    assert {"_signal.SIGTERM", "_struct.Struct", "_queue.SimpleQueue"} <= used
    engines = ", ".join({*compiler.ENGINES.values(), *compiler.PIECES.values()})
    code = f"import {engines}\nfor name in sys.argv[1:]: eval(name)\nprint('all')"
    assert within(shipped, python, code, *sorted(used)) == "all\n"


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

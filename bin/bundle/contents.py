"""What goes into the shipped file: jobwrap's own files, and of the packages in the wheels what it can use."""

from __future__ import annotations

import ast
import io
import json
import marshal
import re
import ssl
import struct
import sys
import tokenize
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

REPO = Path(__file__).parents[2]
STAND_INS = Path(__file__).with_name("stand_ins")
# Packages that go in once a module of jobwrap imports them: which of their modules have bytecode, and
# which are left out because nothing here can need them. Bytecode of a package costs 50 to 200 KB and
# saves each import of it 50 to 300 ms: worth having for what most jobs import.
ALL, NONE = r".", r"(?!)"
PACKAGES = {
    "certifi": (ALL, NONE),
    "cpuinfo": (NONE, r"/__main__"),
    "psutil": (NONE, r"/_ps(aix|bsd|osx|sunos|windows)\.py"),
    "requests": (NONE, r"/help\.py"),
    "spython": (NONE, r"/(tests|client)/"),
    "structlog": (NONE, r"/twisted\.py"),
    "tomli": (NONE, NONE),
    "urllib3": (NONE, r"/contrib/(emscripten/|pyopenssl|socks)|/http2/connection\.py"),
}
# Of what no launch needs only the survey is in a hurry: a pool may ask for it every few minutes.
VERBS = r"^jobwrap/node/(?!gpunodes|nvml)"
# Where the imports of a launch begin; the verbs and what only they import can wait for the group.
# What only a failed task, a pull, an archive or an option asks for waits there too: it would be an eighth
# of what each launch unpacks.
SELDOM = (
    r"^jobwrap/(destinations|reraise|evidence/(judge|signals|words|program)"
    r"|image/(ldcache|nvidia|published|pull|registry|runtimepull|trust)"
    r"|launch/(credentials|pause|streams)"
    r"|node/(describe|gpunodes|nvml|report|table|trial)"
    r"|record/(chirp|collector|kickstart|timing)"
    r"|transfer/(archive|crc32c|members|small|protocols/dav)"
    r")\.py"
)
LAUNCH = (
    "jobwrap.bundle",
    "jobwrap.standins",
    "jobwrap.__main__",
    "jobwrap.transfer.protocols.http",
    "jobwrap.transfer.protocols.local",
)
LAUNCH_DATA = r"^jobwrap/(image/catalog\.json|launch/gate/(aarch64|x86_64))$"
# And those of them that an HTCondor job with nothing to stage imports, or a dry run, with what these import
# at once: by the moment at which they are wanted, as each part is unpacked and run, all of it, when something
# of it is imported.
PARTS = (
    ("jobwrap.bundle", "jobwrap.standins", "jobwrap.__main__"),
    ("jobwrap.run",),  # up to the look at the image
    ("jobwrap.job.classad", "jobwrap.job.environment"),  # in the batch system
    ("jobwrap.image.look",),  # in the look at the image, by a process of its own
    ("jobwrap.launched", "jobwrap.plan"),  # meanwhile
    (  # while the container starts
        "jobwrap.told",
        "jobwrap.dryrun",
        "jobwrap.libc",
        "jobwrap.guard",
        "jobwrap.evidence.weigh",
        "jobwrap.launch.limits",
        "jobwrap.launch.standing",
        "jobwrap.launch.watch",
        "jobwrap.launch.usage.result",
        "jobwrap.launch.usage.sampler",
        "jobwrap.lastword",
    ),
)


def third_party(wheels: Path, own: dict[str, bytes]) -> dict[str, dict[str, bytes]]:
    """Package → path inside → content, of the packages that jobwrap imports and those that these import."""
    there = _unpacked(wheels)
    there["certifi"] = {"certifi/cacert.der": _der(there["certifi"]["certifi/cacert.pem"])}
    for stand_in in sorted(STAND_INS.glob("*.py")):
        there.setdefault(stand_in.stem, {})[f"{stand_in.stem}/__init__.py"] = stand_in.read_bytes()
    used: dict[str, dict[str, bytes]] = {}
    todo = [own]
    while todo:
        sources = [content for path, content in todo.pop().items() if path.endswith(".py")]
        names = {name.partition(".")[0] for source in sources for name in _imported(source)}
        for package in names & there.keys() - used.keys():
            used[package] = there[package]
            todo.append(there[package])
    return dict(sorted(used.items()))


def _unpacked(wheels: Path) -> dict[str, dict[str, bytes]]:
    """Package → path inside → content: modules, compiled modules, and certifi's certificates."""
    found: dict[str, dict[str, bytes]] = {package: {} for package in PACKAGES}
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for path in sorted(archive.namelist()):
                package = path.partition("/")[0]
                wanted = package in PACKAGES and path.endswith((".py", ".abi3.so", ".pem"))
                if wanted and not re.search(PACKAGES[package][1], path):
                    content = archive.read(path)
                    found[package][path] = _loaded(content) if path.endswith(".so") else content
    return found


def _loaded(library: bytes) -> bytes:
    """Of a shared library in ELF, 64 bits, what is loaded: neither its sections nor what is for debuggers.

    See elf(5): the program headers' place, size and number are at 32, 54 and 56, the sections' at 40 and 58.
    """
    (place,) = struct.unpack_from("<Q", library, 32)
    size, number = struct.unpack_from("<2H", library, 54)
    segments = [struct.unpack_from("<2I4Q", library, place + size * index) for index in range(number)]
    end = max(offset + length for _, _, offset, _, _, length in segments)
    head = bytearray(library[:end])
    struct.pack_into("<Q", head, 40, 0)
    struct.pack_into("<3H", head, 58, 0, 0, 0)
    return bytes(head)


def _der(certificates: bytes) -> bytes:
    """PEM without its base64, which costs a third more once both are compressed."""
    parts = re.findall("-----BEGIN.*?END CERTIFICATE-----", certificates.decode("ascii"), re.DOTALL)
    return marshal.dumps([ssl.PEM_cert_to_DER_cert(part) for part in parts], 2)


def has_bytecode(path: str) -> bool:
    """Whether the file inside is a module that goes in as bytecode too."""
    package = path.partition("/")[0]
    wanted = PACKAGES[package][0] if package in PACKAGES else VERBS
    return path.endswith(".py") and re.search(wanted, path) is not None


def bare(source: bytes) -> str:
    """A module without comments and docstrings, the rest of it on the same lines as before."""
    text = source.decode()
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, documented)]
    firsts = [node.body[0] for node in nodes if ast.get_docstring(node) is not None]
    docstrings = {(first.lineno, first.col_offset) for first in firsts}
    lines = text.split("\n")
    for token in reversed(list(tokenize.generate_tokens(io.StringIO(text).readline))):
        (first, begin), (last, end) = token.start, token.end
        if token.type == tokenize.COMMENT:
            lines[first - 1] = lines[first - 1][:begin].rstrip()
        elif token.type == tokenize.STRING and token.start in docstrings:
            joined = lines[first - 1][:begin] + '""' + lines[last - 1][end:]
            lines[first - 1 : last] = [joined, *[""] * (last - first)]
    return "\n".join(lines)


def licences(wheels: Path) -> bytes:
    """The licences of all the packages, which ask to go wherever these go."""
    texts = []
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            for path in sorted(archive.namelist()):
                if re.search(r"\.dist-info/(licenses/)?(LICEN[CS]E|NOTICE|COPYING)", path):
                    texts.append(f"==> {path}\n\n".encode() + archive.read(path))
    return b"\n\n".join(texts)


def own(repo: Path = REPO) -> dict[str, bytes]:
    """jobwrap's own modules and data; the catalog in a form that every Python reads."""
    files = {
        str(path.relative_to(repo)): path.read_bytes()
        for path in sorted((repo / "jobwrap").rglob("*"))
        if path.is_file() and path.suffix not in (".c", ".h", ".md", ".pyc", ".so")
    }
    files["jobwrap/image/catalog.json"] = catalog(repo)
    return dict(sorted(files.items()))


def catalog(repo: Path = REPO) -> bytes:
    """containers/catalog.toml as JSON."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    return json.dumps(tomllib.loads((repo / "containers/catalog.toml").read_text()), sort_keys=True).encode()


def launch_modules(files: dict[str, bytes]) -> list[str]:
    """The modules that most runs import: LAUNCH, and whatever they import wherever they do, save SELDOM."""
    return _reached(files, LAUNCH, _imported)


def parts(files: dict[str, bytes]) -> list[list[str]]:
    """Those of a launch that even the plainest job imports, part by part: each in the first that wants it.

    Each behind those that it imports itself.
    """
    found: list[list[str]] = []
    for roots in PARTS:
        known = {path for part in found for path in part}
        reached = _reached(files, roots, _imported_at_once)
        found.append(_ordered([path for path in reached if path not in known], files))
    return found


def _ordered(paths: list[str], files: dict[str, bytes]) -> list[str]:
    """Each path behind the package that it is in and behind what it imports at once."""
    ordered: dict[str, None] = {}
    begun = set()

    def order(path: str) -> None:
        if path in begun or path not in paths:
            return
        begun.add(path)
        name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for before in _places([name, *_imported_at_once(files[path])]):
            order(before)
        ordered[path] = None

    for path in paths:
        order(path)
    return list(ordered)


def _reached(
    files: dict[str, bytes], roots: tuple[str, ...], imported: Callable[[bytes], list[str]]
) -> list[str]:
    """The roots' modules, and those that they lead to."""
    seen: set[str] = set()
    todo = _places(roots)
    while todo:
        path = todo.pop()
        if path in seen or path not in files or re.search(SELDOM, path):
            continue
        seen.add(path)
        todo += _places(imported(files[path]))
    return sorted(seen)


def _places(names: Iterable[str]) -> list[str]:
    """Where modules of these names, and the packages that they are in, may lie."""
    bases = dict.fromkeys(part.replace(".", "/") for name in names for part in _parents(name))
    return [base + kind for base in bases for kind in (".py", "/__init__.py")]


def _parents(name: str) -> list[str]:
    """a, a.b and a.b.c for a.b.c: all of them are imported with it."""
    parts = name.split(".")
    return [".".join(parts[:depth]) for depth in range(1, len(parts) + 1)]


def _imported(source: bytes) -> list[str]:
    """Names that its absolute imports bring, in functions too; some may be no modules."""
    return _names(ast.walk(ast.parse(source)))


def _imported_at_once(source: bytes) -> list[str]:
    """The same without those in functions and under `if TYPE_CHECKING`."""
    return _names(ast.parse(source).body)


def _names(nodes: Iterable[ast.AST]) -> list[str]:
    names: list[str] = []
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return names

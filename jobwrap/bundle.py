"""The shipped file from within: finds and loads the modules and data that bin/build put there.

What a launch needs lies together and is read at the start, most of it still packed: a part is unpacked and
run, all of it, when something of it is imported; what brings inputs and outputs comes last. The rest is in
groups, one for each package, read when the package is first imported. A group counts only with the digest
that was known at the start: later, the file may lie in a folder that the task writes to.
"""

from __future__ import annotations

import marshal
import os
import sys
from _frozen_importlib import ModuleSpec

# Not typing's own, which takes 3 ms to import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType, TracebackType
    from typing import Any

_KINDS = ("/__init__.py", ".py", ".abi3.so")


class Bundle:
    """A finder for sys.meta_path, and the loader of the Python modules that it finds.

    path    the shipped file, absolute
    column  which form of a module this Python takes: 0 the source, else its bytecode
    files   path inside → a module's source (str), its code or that in bytes, or data (bytes)
    parts   more of them, packed: all in one, which part has which module, and how long each is
    later   still more, packed, each with the code for several Pythons; and which of these is this one's
    groups  package → sha256 of its group
    """

    def __init__(
        self,
        path: str,
        column: int,
        files: dict[str, Any],
        parts: tuple[bytes, dict[str, int], tuple[int, ...]],
        later: tuple[bytes, int],
        groups: dict[str, bytes],
    ) -> None:
        self._path, self._column, self._groups = path, column, groups
        packed, place, sizes = parts
        self._files = {**files, **place}
        ends = [sum(sizes[: number + 1]) for number in range(len(sizes))]
        self._parts = [packed[end - size : end] for end, size in zip(ends, sizes)]
        self._later, self._later_column = later
        self._read: set[str] = set()

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The module's spec, or None for what is not in the file."""
        if name.partition(".")[0] not in self._groups:
            return None
        base = name.replace(".", "/")
        inside = self._module(base)
        if not inside and self._unpack_later():
            inside = self._module(base)
        if not inside and self._read_group(base):
            inside = self._module(base)
        if not inside:
            return None
        if isinstance(self._files[inside], int):
            self._run(self._files[inside])
        return self._spec(name, inside)

    def _spec(self, name: str, inside: str) -> ModuleSpec:
        loader: Any = _Compiled(self._files[inside]) if inside.endswith(".so") else self
        is_package = inside.endswith("/__init__.py")
        spec = ModuleSpec(name, loader, origin=f"{self._path}/{inside}", is_package=is_package)
        spec.has_location = True  # so that the module has a __file__, and finds its data beside it
        if is_package:
            spec.submodule_search_locations = [f"{self._path}/{inside[: -len('/__init__.py')]}"]
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """The usual one, or one that has been run with its part."""
        return sys.modules.get(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        inside = self._inside(module.__file__ or "")
        if inside not in self._files:  # it has been run
            return
        code = self._files[inside]
        if isinstance(code, bytes):
            code = marshal.loads(code)
        elif isinstance(code, str):
            code = compile(code, f"<jobwrap>/{inside}", "exec", dont_inherit=True)
        exec(code, module.__dict__)
        self._files.pop(inside, None)  # memory that is not needed while the task runs

    def get_data(self, path: str) -> bytes:
        """The data at `path`, which starts as a module's __file__ does; OSError where there is none."""
        inside = self._inside(os.path.normpath(path))
        if inside not in self._files:
            self._read_group(inside)
        data = self._files.get(inside)
        if not isinstance(data, bytes):
            raise FileNotFoundError(2, "not in the shipped file", path)
        return data

    def get_source(self, name: str) -> str | None:
        """The module's source, for tracebacks; ImportError where it cannot be read any more."""
        forms = self._group(name.partition(".")[0])
        for kind in _KINDS[:2]:
            if form := forms.get(name.replace(".", "/") + kind):
                return str(form[0])
        return None

    def _inside(self, path: str) -> str:
        return path[len(self._path) + 1 :] if path.startswith(f"{self._path}/") else ""

    def _module(self, base: str) -> str:
        return next((base + kind for kind in _KINDS if base + kind in self._files), "")

    def _run(self, part: int) -> None:
        """Unpacks a part and runs its modules, each of which lies behind those that it imports.

        To import them one by one would take 25 µs more for each, until the launch nearly 2 ms in all.
        """
        import zlib

        modules = marshal.loads(zlib.decompress(self._parts[part]))
        self._parts[part] = b""
        self._files.update(modules)
        for inside, code in modules.items():
            name = inside[: -len(".py")].replace("/", ".")
            name = name[: -len(".__init__")] if name.endswith(".__init__") else name
            if name in sys.modules:
                continue
            spec = self._spec(name, inside)
            module: Any = type(sys)(name)
            sys.modules[name] = module
            module.__spec__, module.__loader__ = spec, self
            module.__file__, module.__package__ = spec.origin, spec.parent
            if spec.submodule_search_locations is not None:
                module.__path__ = spec.submodule_search_locations
            try:
                exec(code, module.__dict__)
            except BaseException:
                del sys.modules[name]
                raise
            del self._files[inside]

    def _unpack_later(self) -> bool:
        """Take in what was packed; False where it was already."""
        if not self._later:
            return False
        import lzma

        # Of all that only what is imported is made code of: the rest would be with us as long as the task.
        self._files.update(marshal.loads(marshal.loads(lzma.decompress(self._later))[self._later_column]))
        self._later = b""
        return True

    def _read_group(self, inside: str) -> bool:
        """Take in the group that would have `inside`; False where there is none, or it was."""
        package = inside.partition("/")[0]
        if package not in self._groups or package in self._read:
            return False
        group = {path: self._mine(form) for path, form in self._group(package).items()}
        self._files = {**group, **self._files}
        self._read.add(package)
        return True

    def _mine(self, form: bytes | tuple[Any, ...]) -> Any:
        """Data as it is; of a module the code for this Python, else the source."""
        if isinstance(form, bytes):
            return form
        return marshal.loads(form[self._column]) if 0 < self._column < len(form) else form[0]

    def _group(self, package: str) -> dict[str, Any]:
        """Path inside → data, or a module's forms, one a column."""
        import hashlib
        import lzma
        from zipimport import zipimporter

        stored = zipimporter(self._path).get_data(f"{self._path}/{package}.xz")
        if hashlib.sha256(stored).digest() != self._groups[package]:
            raise ImportError(f"{self._path} was changed after jobwrap had started from it", name=package)
        group: dict[str, Any] = marshal.loads(lzma.decompress(stored))
        return group


class _Compiled:
    """Loads a compiled module from memory, so that it needs no folder where programs may run."""

    def __init__(self, library: bytes) -> None:
        self._library = library

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        import _imp

        memory = os.memfd_create(spec.name)
        try:
            os.write(memory, self._library)
            return _imp.create_dynamic(ModuleSpec(spec.name, None, origin=f"/proc/self/fd/{memory}"))
        finally:
            os.close(memory)

    def exec_module(self, module: ModuleType) -> None:
        import _imp

        _imp.exec_dynamic(module)


def install(path: str, *contents: Any) -> None:
    """Let imports find what the file at `path` holds, before what may be installed on the node."""
    # Started as `python3 FILE`, Python would look for each module of its own in the zip.
    sys.path[:] = [folder for folder in sys.path if folder != path]
    sys.meta_path.insert(0, Bundle(os.path.abspath(path), *contents))
    sys.excepthook = _show


def _show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Python's own way looks for source lines in any file of the same name along sys.path."""
    import traceback

    traceback.print_exception(kind, error, trace)

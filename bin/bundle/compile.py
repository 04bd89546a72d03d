"""Turns sources into bytecode for the Python that runs it.

stdin: marshalled (apart, parts), a dict of path to source and a list of such. stdout: marshalled (path to
bytecode, and for each part its bytecode as one dict). Together they load faster, as names that they share
are read once.
What nothing reads at run time is left out: docstrings, assertions, annotations of functions. Paths are
those inside the shipped file, so the bytes do not depend on where the sources lie.
"""

import ast
import marshal
import sys

# What the standard library's modules are made of: without them, as importing the likes of enum, re and
# collections takes 10 ms until the launch. What these alone have is imported by name, where it is needed.
ENGINES = {"signal": "_signal", "socket": "_socket", "struct": "_struct"}
PIECES = {"SimpleQueue": "_queue", "deque": "_collections", "partial": "_functools"}
DEFERRED = ("json", "re")  # until they are used, by standins.Deferred


class _Bare(ast.NodeTransformer):
    def visit_FunctionDef(self, node):
        self.generic_visit(node)
        node.returns = None
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_arg(self, node):
        node.annotation = None
        return node


class _BareOwn(_Bare):
    """For jobwrap's own: no annotation of theirs is read, and standins.py has what is left of typing."""

    def visit_ImportFrom(self, node):
        if node.module == "typing":
            node.module = "jobwrap.standins"
            for alias in node.names:
                alias.asname = alias.asname or alias.name
                alias.name = alias.name if alias.name in ("NamedTuple", "TYPE_CHECKING") else "Anything"
        if node.module == "collections.abc":
            node.module = "_collections_abc"
        if node.module in ("collections", "functools", "queue") and len(node.names) == 1:
            node.module = PIECES.get(node.names[0].name, node.module)
        return None if node.module == "__future__" else node

    def visit_Import(self, node):
        (alias,) = node.names
        if alias.name in DEFERRED:
            return ast.copy_location(ast.ImportFrom("jobwrap.standins", [alias], 0), node)
        alias.asname = alias.asname or (alias.name if alias.name in ENGINES else None)
        alias.name = ENGINES.get(alias.name, alias.name)
        return node

    def visit_AnnAssign(self, node):
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node)

    def visit_ClassDef(self, node):
        if any(isinstance(base, ast.Name) and base.id == "NamedTuple" for base in node.bases):
            fields = [field for field in node.body if isinstance(field, ast.AnnAssign)]
            names = tuple(field.target.id for field in fields)
            defaults = {field.target.id: field.value for field in fields if field.value}
            keys = [ast.Constant(name) for name in defaults]
            facts = {
                "__slots__": ast.Constant(()),
                "_fields": ast.Constant(names),
                "_field_defaults": ast.Dict(keys, list(defaults.values())),
            }
            assigned = [ast.Assign([ast.Name(name, ast.Store())], fact) for name, fact in facts.items()]
            node.body = assigned + [part for part in node.body if part not in fields]
            ast.fix_missing_locations(node)
        return self.generic_visit(node)


def bytecode(path, source):
    # Not a path that might exist: a traceback would show the lines of that file.
    name = f"<jobwrap>/{path}"
    bare = _BareOwn() if path.startswith("jobwrap/") else _Bare()
    code = compile(bare.visit(ast.parse(source)), name, "exec", dont_inherit=True, optimize=2)
    return _with_short_lines(code) if sys.version_info >= (3, 11) else code


def _with_short_lines(code):
    """The same line numbers, told once for each line and not for each instruction.

    The format is in CPython's InternalDocs/code_objects.md: a byte with bit 7 set, a kind and a length
    in code units less one; kind 13 is followed by the change of the line, 15 is for code of no line.
    """
    table, last = bytearray(), code.co_firstlineno
    for start, end, line in _merged(code):
        for units in range((end - start) // 2, 0, -8):
            table.append(0x80 | (15 if line is None else 13) << 3 | min(units, 8) - 1)
            if line is not None:
                table += _signed(line - last)
                last = line
    consts = tuple(
        _with_short_lines(const) if isinstance(const, type(code)) else const for const in code.co_consts
    )
    short = code.replace(co_linetable=bytes(table), co_consts=consts)
    assert _merged(short) == _merged(code)
    return short


def _merged(code):
    merged = []
    for start, end, line in code.co_lines():
        first = merged.pop()[0] if merged and merged[-1][2] == line else start
        merged.append((first, end, line))
    return merged


def _signed(number):
    """The format's signed number: six bits a byte, low ones first, the sign in the lowest."""
    number = -number << 1 | 1 if number < 0 else number << 1
    out = bytearray()
    while number >> 6:
        out.append(number & 63 | 64)
        number >>= 6
    out.append(number)
    return out


apart, parts = marshal.load(sys.stdin.buffer)
codes = {path: marshal.dumps(bytecode(path, source)) for path, source in apart.items()}
together = [marshal.dumps({path: bytecode(path, source) for path, source in part.items()}) for part in parts]
marshal.dump((codes, together), sys.stdout.buffer)

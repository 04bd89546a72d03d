"""Turns sources into bytecode for the Python that runs it.

stdin: marshalled (apart, together), two dicts of path to source. stdout: marshalled (path to bytecode,
bytecode of the others as one dict). Together they load faster, as names that they share are read once.
What nothing reads at run time is left out: docstrings, assertions, annotations of functions. Paths are
those inside the shipped file, so the bytes do not depend on where the sources lie.
"""

import ast
import marshal
import sys


class _Bare(ast.NodeTransformer):
    def visit_FunctionDef(self, node):
        self.generic_visit(node)
        node.returns = None
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_arg(self, node):
        node.annotation = None
        return node


def bytecode(path, source):
    return compile(_Bare().visit(ast.parse(source)), path, "exec", dont_inherit=True, optimize=2)


apart, together = marshal.load(sys.stdin.buffer)
codes = {path: marshal.dumps(bytecode(path, source)) for path, source in apart.items()}
one = marshal.dumps({path: bytecode(path, source) for path, source in together.items()})
marshal.dump((codes, one), sys.stdout.buffer)

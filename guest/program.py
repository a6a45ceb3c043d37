"""The program's source as code: all of it, and its last expression apart.

The source is text, never bytes, so a coding cookie has no effect. Line numbers are the user's.
"""

import __future__
import ast
from _io import StringIO

import layout

_FUTURE_FLAGS = 0
for _name in __future__.all_feature_names:
    _FUTURE_FLAGS |= getattr(__future__, _name).compiler_flag


def lines_of(source: str) -> list:
    """The lines as the tokenizer counts them; `str.splitlines` knows more line ends than it.

    Each ends with a line feed, as in `linecache`; without it, carets would be off by one.
    """
    lines = StringIO(source, newline=None).readlines()
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return lines


def compile_source(source: str) -> tuple:
    """Code for all statements, and for the value of the last one if it is an expression.

    Shape: `(code, None)`, or `(code without the last statement, code of its expression)`.
    Errors and warnings: those that `compile` gives for this text, each once.
    """
    path = layout.main_path()
    try:
        tree = compile(source, path, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
        if not tree.body or not isinstance(tree.body[-1], ast.Expr):
            return compile(tree, path, "exec", dont_inherit=True), None
        expression = ast.Expression(tree.body.pop().value)
        code = compile(tree, path, "exec", dont_inherit=True)
        flags = code.co_flags & _FUTURE_FLAGS
        return code, compile(expression, path, "eval", flags, dont_inherit=True)
    except (RecursionError, MemoryError):
        # Too deep for a tree, but perhaps not for the compiler: then it runs without a value.
        return compile(source, path, "exec", dont_inherit=True), None

"""The program's source as code: all of it, and its last expression apart.

The source is text, never bytes, so a coding cookie has no effect. Line numbers are the user's.
"""

import __future__
import ast
import io
import warnings

import layout

_FUTURE_FLAGS = 0
for _name in __future__.all_feature_names:
    _FUTURE_FLAGS |= getattr(__future__, _name).compiler_flag


def lines_of(source: str) -> list:
    """The lines as the tokenizer counts them; `str.splitlines` knows more line ends than it.

    Each ends with a line feed, as in `linecache`; without it, carets would be off by one.
    """
    lines = io.StringIO(source, newline=None).readlines()
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return lines


def compile_source(source: str) -> tuple:
    """Code for all statements, and for the value of the last one if it is an expression.

    Shape: `(code, None)`, or `(code without the last statement, code of its expression)`.
    Errors: whatever `compile` raises.
    """
    # The whole first: its errors and warnings are those that CPython gives for this file.
    whole = compile(source, layout.main_path(), "exec", dont_inherit=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _split(source, whole.co_flags & _FUTURE_FLAGS) or (whole, None)
    except (RecursionError, MemoryError):
        return whole, None  # It compiles but is too deep for a tree: run it without a value.


def _split(source: str, flags: int) -> object:
    only_tree = ast.PyCF_ONLY_AST
    tree = compile(source, layout.main_path(), "exec", only_tree | flags, dont_inherit=True)
    if not tree.body or not isinstance(tree.body[-1], ast.Expr):
        return None
    expression = ast.Expression(tree.body.pop().value)
    return (
        compile(tree, layout.main_path(), "exec", flags, dont_inherit=True),
        compile(expression, layout.main_path(), "eval", flags, dont_inherit=True),
    )

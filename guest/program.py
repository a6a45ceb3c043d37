"""The program's source as code: all of it, and its last expression apart.

The host has read the source and mostly knows where that expression stands. Then two plain compiles
do; a syntax tree costs a child as much again, in memory that nothing else touches.

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


# What the host says of a last expression when it does not know. Source: `encode_request`.
UNKNOWN = 0xFFFFFFFF
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def decode(source: bytes, errors: str = "strict") -> str:
    """The source as text, without a byte order mark. Errors: `UnicodeDecodeError`."""
    # Not by the codec `utf-8-sig`: it is written in Python, and a program can take it away.
    return source.removeprefix(_BYTE_ORDER_MARK).decode("utf-8", errors)


def compile_at(source: bytes, place: int) -> tuple:
    """As `compile_source`, if the last expression begins at byte `place` of `source`.

    `place` is the length of the source when there is none. What the host could not know (its
    syntax is the newest, this interpreter's may be older) is found out the slow way.
    """
    if place > len(source):
        return compile_source(decode(source))
    path = layout.main_path()
    try:
        code = compile(decode(source[:place]), path, "exec", dont_inherit=True)
        if place == len(source):
            return code, None
        expression = _in_place(source, place)
        flags = code.co_flags & _FUTURE_FLAGS
        return code, compile(expression, path, "eval", flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    # Not above: the error of this attempt would then have that of the first as its context.
    return compile_source(decode(source))


def _in_place(source: bytes, place: int) -> str:
    """The expression at `place` in parentheses, on its own line and in its own columns."""
    head, expression = source[:place], decode(source[place:])
    lines = head.count(b"\n") + head.count(b"\r") - head.count(b"\r\n")
    column = place - max(head.rfind(b"\n"), head.rfind(b"\r")) - 1
    if lines == 0 and column == 0:
        return expression
    # Inside of parentheses lines and blanks mean nothing. On the first line they stand in a column
    # that something else had.
    padding = "\n" * lines + " " * (column if lines else column - 1)
    return f"({padding}{expression}\n)"


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
        pass
    # Too deep for a tree, but perhaps not for the compiler: then it runs without a value.
    return compile(source, path, "exec", dont_inherit=True), None

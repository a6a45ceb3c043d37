"""What the last expression of a program was: its `repr`, and JSON where it is JSON.

The value is hostile: its `__repr__` may raise or lie about types. Only exact built-in types
count as JSON, so no method of the program runs while it is converted.
"""

from itertools import islice
from math import isfinite

import text

REPR_BYTES = 64 * 1024
JSON_BYTES = 256 * 1024
JSON_DEPTH = 64
TOO_LARGE = f"it takes more than {JSON_BYTES} bytes"
# Each element takes at least three characters of a repr ("1, "), so this many fill `REPR_BYTES`.
REPR_ELEMENTS = REPR_BYTES // 3 + 1


class _NotJson(Exception):
    """Why the value is not JSON."""


def describe(value: object, encode) -> dict:
    """The `value` object of a report.

    Shape: `{"repr": str | None, "error": str | None}`, and `"json"` when the value is JSON, or
    `"not_json"`, which says why it is not. `encode` turns plain data into a JSON text.
    """
    if value is None:
        return {"repr": None, "error": None}
    try:
        shown = text.clip(_repr(value), REPR_BYTES)
    except BaseException as error:
        return {"repr": None, "error": _complaint(error)}
    described = {"repr": shown, "error": None}
    try:
        plain = _plain(value, JSON_DEPTH, [JSON_BYTES])
        if len(encode(plain).encode()) > JSON_BYTES:
            raise _NotJson(TOO_LARGE)
        described["json"] = plain
    except _NotJson as why:
        described["not_json"] = why.args[0]
    except BaseException:
        described["not_json"] = "it changed while it was read"
    return described


def _complaint(error: BaseException) -> str:
    return f"repr() of the value raised {_name(type(error))}: {text.describe(error, 1024)}"


def _repr(value: object) -> str:
    """`repr(value)`, or a prefix of it that is long enough, without building a huge text."""
    kind = type(value)
    if kind in (str, bytes, bytearray):
        return repr(value[:REPR_BYTES])
    if kind in (list, tuple, set, frozenset) and len(value) > REPR_ELEMENTS:
        return repr(kind(islice(value, REPR_ELEMENTS)))
    if kind is dict and len(value) > REPR_ELEMENTS:
        return repr(dict(islice(value.items(), REPR_ELEMENTS)))
    return repr(value)


def _plain(value: object, depth: int, budget: list) -> object:
    """A copy of `value` made of exact JSON types; `budget[0]` bounds the work, not the bytes."""
    budget[0] -= 1
    if budget[0] < 0:
        raise _NotJson(TOO_LARGE)
    if depth < 0:
        raise _NotJson(f"it is nested deeper than {JSON_DEPTH} levels")
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        if -(2**63) <= value < 2**64:
            return value
        raise _NotJson("it has an integer of more than 64 bits")
    if kind is float:
        if isfinite(value):
            return value
        raise _NotJson(f"it has the number `{value}`")
    if kind is str:
        return _plain_text(value, budget)
    if kind is list or kind is tuple:
        return [_plain(item, depth - 1, budget) for item in value]
    if kind is dict:
        for key in value:
            if type(key) is not str:
                raise _NotJson(f"it has a key of the type `{_name(type(key))}`")
        return {
            _plain_text(key, budget): _plain(item, depth - 1, budget)
            for key, item in value.items()
        }
    if _is_numpy_scalar(kind) and value.dtype.kind in "biufU":
        item = value.item()
        if type(item) in (bool, int, float, str):
            return _plain(item, depth, budget)
    raise _NotJson(f"it has a value of the type `{_name(kind)}`")


def _plain_text(value: str, budget: list) -> str:
    budget[0] -= len(value)
    if budget[0] < 0:
        raise _NotJson(TOO_LARGE)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _NotJson("it has a text with a lone surrogate") from None
    return value


def _name(kind: type) -> str:
    return text.clip(type.__dict__["__qualname__"].__get__(kind), 256)


def _is_numpy_scalar(kind: type) -> bool:
    return any(
        base.__module__ == "numpy" and base.__name__ == "generic" for base in kind.__mro__
    )

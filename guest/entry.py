"""What of a request is run, where it is more than the source by itself.

The host says it in one JSON object, and no value in it ever becomes code. The source stays the
caller's to the byte, so its line numbers are the caller's, too.

Shape: `{"directory": str?}` with one of `{"globals": {…}}`, `{"function": str, "args": […],
"kwargs": {…}}`, `{"script": str}` or `{"module": str}`.
"""

import sys
from functools import partial
from importlib.util import find_spec
from json import JSONDecoder
from types import FunctionType

import layout
import text

# The name of the part of a request that says it; no file can have it.
NAME = "/entry"
# Functions that are named when another one was asked for.
_NAMED = 10
_NAME_BYTES = 256

_decode = JSONDecoder().decode


def read(content: bytes) -> dict:
    """The object. Errors: `RecursionError` and `ValueError` for what this interpreter cannot read."""
    return _decode(content.decode())


def enter(wanted: dict, source: bytes, place: int, namespace: dict) -> tuple:
    """Sets up what comes before the source.

    Returns the source, the place of its last expression, and what is called with `namespace` after
    it, if anything. Errors: those of the program's own packages, and a module that cannot be run.
    """
    if "globals" in wanted:
        namespace.update(wanted["globals"])
    elif "function" in wanted:
        return source, len(source), partial(_call, wanted)
    elif "script" in wanted:
        sys.path[0] = layout.main_path().rpartition("/")[0]
        namespace["__file__"] = layout.main_path()
    elif "module" in wanted:
        return _module(wanted["module"], namespace).encode(), place, None
    return source, place, None


def _module(name: str, namespace: dict) -> str:
    """The source of a module, as `python -m` finds it; its packages are imported first."""
    package = name.rpartition(".")[0]
    if package:
        __import__(package)
    spec = find_spec(name)
    if spec is not None and spec.submodule_search_locations is not None:
        __import__(name)
        name += ".__main__"
        spec = find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    get_source = getattr(spec.loader, "get_source", None)
    source = get_source(name) if get_source is not None else None
    if source is None:
        raise ImportError(f"the module {name!r} has no Python source that could be run", name=name)
    layout.main = spec.origin
    sys.argv[0] = spec.origin
    namespace.update(
        __file__=spec.origin, __spec__=spec, __package__=spec.parent, __loader__=spec.loader
    )
    return source


def _call(wanted: dict, namespace: dict) -> object:
    """Calls the function; what it returns is awaited if it can be.

    Errors: `NameError` and `TypeError` with a sentence for what is no function, else the function's.
    """
    function = _find(wanted["function"], namespace)
    value = function(*wanted["args"], **wanted["kwargs"])
    if not any("__await__" in base.__dict__ for base in type.mro(type(value))):
        return value
    import asyncio  # The program's own, and only where it is needed: it takes a while.

    value, error = asyncio.run(_awaited(value))
    if error is not None:
        raise error
    return value


async def _awaited(value: object) -> tuple:
    """The result and no error, or the other way round: so no frame of `asyncio` gets between."""
    try:
        return await value, None
    except BaseException as error:
        return None, error


def _find(name: str, namespace: dict) -> object:
    first, *rest = name.split(".")
    if first not in namespace:
        raise NameError(f"the program has no function `{name}`{_others(namespace)}")
    found = namespace[first]
    for part in rest:
        found = getattr(found, part)
    if not callable(found):
        kind = text.clip(type.__dict__["__qualname__"].__get__(type(found)), _NAME_BYTES)
        raise TypeError(f"`{name}` is no function but of the type `{kind}`")
    return found


def _others(namespace: dict) -> str:
    names = [
        name
        for name, value in namespace.items()
        if type(name) is str and type(value) is FunctionType and value.__globals__ is namespace
    ]
    if not names:
        return ""
    listed = ", ".join(f"`{text.clip(name, _NAME_BYTES)}`" for name in names[:_NAMED])
    return f"; it has {listed}" + (" and others" if len(names) > _NAMED else "")

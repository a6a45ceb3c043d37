"""Loads modules that the program cannot reach by patching `builtins` or the standard library.

A module loaded here gets one private copy of the builtins and is absent from `sys.modules`. So a
program that replaces `builtins.len`, `traceback.format_exc` or `json.dumps` changes its own world
and not the report. This is tidiness, not a boundary: native code in the child can still write any
byte of its own memory, and the host believes a report only where its own facts agree.
"""

import builtins
import importlib.util
import sys
import types

# Every frame of ours, and no other, has this very dictionary as its `f_builtins`.
BUILTINS = dict(vars(builtins))

# Each after those it imports.
_GUEST = (
    "layout",
    "text",
    "values",
    "failures",
    "program",
    "randomness",
    "prepare",
    "endings",
    "runner",
    "rehearsal",
)


def load_file(name: str, path: str) -> types.ModuleType:
    """Executes the file at `path` as a module with private builtins."""
    with open(path, encoding="utf-8") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    return _execute(name, code)


def load_standard(name: str) -> types.ModuleType:
    """Executes a second, private instance of a pure-Python module of the standard library."""
    spec = importlib.util.find_spec(name)
    return _execute(name, spec.loader.get_code(name))


def load_guest(directory: str) -> types.SimpleNamespace:
    """Loads the runner and all that it imports from `directory`; returns them by their names.

    The modules import one another by plain names, so they are in `sys.modules` for the time of
    the call only.
    """
    loaded = {}
    try:
        for name in _GUEST:
            sys.modules[name] = loaded[name] = load_file(name, f"{directory}/{name}.py")
        loaded["failures"].use_private(load_standard("traceback"), load_standard("linecache"))
        loaded["runner"].use_private(load_standard("json.encoder"))
        return types.SimpleNamespace(**loaded)
    finally:
        for name in loaded:
            del sys.modules[name]


def _execute(name: str, code: types.CodeType) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__["__builtins__"] = BUILTINS
    exec(code, module.__dict__)
    return module

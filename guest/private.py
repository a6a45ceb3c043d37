"""Loads modules that the program cannot reach by patching `builtins` or the standard library.

A module loaded here gets one private copy of the builtins and is absent from `sys.modules`. So a
program that replaces `builtins.len`, `traceback.format_exc` or `json.dumps` changes its own world
and not the report. This is tidiness, not a boundary: native code in the child can still write any
byte of its own memory, and the host believes a report only where its own facts agree.
"""

import builtins
import importlib.util
import marshal
import sys
import types

# Every frame of ours, and no other, has this very dictionary as its `f_builtins`.
BUILTINS = dict(vars(builtins))

# Each after those it imports, and whether every program needs it.
_GUEST = (
    ("layout", True),
    ("text", False),
    ("values", False),
    ("failures", False),
    ("program", True),
    ("randomness", True),
    ("entry", False),
    ("prepare", True),
    ("endings", True),
    ("runner", True),
    ("rehearsal", True),
    ("ready", True),
)
# Objects of code are larger than what is usually laid densely, but not as large as this.
_LONGEST_BYTES = 16 * 1024


def load_file(name: str, path: str, lay_densely: object = None) -> types.ModuleType:
    """Executes the file at `path` as a module with private builtins.

    With `lay_densely` its objects lie side by side, and nothing else among them.
    """
    with open(path, encoding="utf-8") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    if lay_densely is None:
        return _execute(name, code)
    packed = marshal.dumps(code)

    def import_apart(*args: object) -> object:
        lay_densely(0)
        try:
            return builtins.__import__(*args)
        finally:
            lay_densely(_LONGEST_BYTES)

    BUILTINS["__import__"] = import_apart
    lay_densely(_LONGEST_BYTES)
    try:
        return _execute(name, marshal.loads(packed))
    finally:
        lay_densely(0)
        BUILTINS["__import__"] = builtins.__import__


def load_standard(name: str) -> types.ModuleType:
    """Executes a second, private instance of a pure-Python module of the standard library."""
    spec = importlib.util.find_spec(name)
    return _execute(name, spec.loader.get_code(name))


def load_guest(directory: str, lay_densely: object) -> types.SimpleNamespace:
    """Loads the runner and all that it imports from `directory`; returns them by their names.

    The modules import one another by plain names, so they are in `sys.modules` for the time of
    the call only.
    """
    loaded = {}
    try:
        for name, is_hot in _GUEST:
            module = load_file(name, f"{directory}/{name}.py", lay_densely if is_hot else None)
            sys.modules[name] = loaded[name] = module
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

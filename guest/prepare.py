"""Makes the world of one program: reads the request, writes its files, sets up the process.

Runs in a confined child before the first byte of the program does: `open_world` before the child
is given away, the rest when the request has come. Nothing of the request stays behind but the
program's own source and files.
"""

import builtins
import io
import json
import linecache
import os
import struct
import sys
import types

import failures
import layout
import program


def read_request(descriptor: int) -> tuple:
    """Reads the request to its end and closes `descriptor`.

    Shape: `u32` little-endian length, that many bytes of JSON `{"source_bytes", "args",
    "files": [{"name", "bytes"}]}`, the source, each file's bytes in order. Returns the source
    as bytes, the arguments, and a list of `(name, bytes)`.
    """
    with open(descriptor, "rb", buffering=0) as pipe:
        content = memoryview(pipe.readall())
    (head_bytes,) = struct.unpack_from("<I", content)
    position = 4 + head_bytes
    head = json.loads(bytes(content[4:position]))
    parts = []
    for length in [head["source_bytes"]] + [file["bytes"] for file in head["files"]]:
        parts.append(content[position : position + length])
        position += length
    if position != len(content):
        raise ValueError("the request is shorter or longer than it says")
    names = [file["name"] for file in head["files"]]
    return bytes(parts[0]), head["args"], list(zip(names, parts[1:]))


def write_workdir(source: bytes, files: list) -> None:
    """Writes `main.py` and the input files, each under `input/` and beside the program."""
    _write("main.py", source)
    for name, content in files:
        _write("input/" + name, content)
        try:
            os.link("input/" + name, name)
        except FileExistsError:
            pass  # `input`, `output` and `main.py` keep their meaning.


def set_variables() -> None:
    """Replaces the environment by the fixed one; the loader's path is the launcher's to say."""
    libraries = os.environ.get("LD_LIBRARY_PATH")
    os.environ.clear()
    os.environ.update(layout.VARIABLES)
    if libraries:
        os.environ["LD_LIBRARY_PATH"] = libraries


def find_matplotlib_files() -> list:
    """Prebuilt font list and matplotlibrc: which file is offered under which name."""
    share, directory = layout.matplotlib_share(), layout.matplotlib_directory()
    names = os.listdir(share) if os.path.isdir(share) else []
    return [(f"{share}/{name}", f"{directory}/{name}") for name in names]


def link_matplotlib_files(files: list) -> None:
    """Offers them in the writable directory, which need not exist yet."""
    try:
        os.mkdir(layout.matplotlib_directory())
        for target, name in files:
            os.symlink(target, name)
    except FileExistsError:
        pass  # Rehearsed in the zygote, where they are offered already.


def open_world(streams: tuple = (0, 1, 2)) -> dict:
    """All that does not depend on the request; returns the program's namespace."""
    os.chdir(layout.CODE)
    for directory in ("input", "output"):
        if not os.path.isdir(directory):
            os.mkdir(directory)
    _open_streams(*streams)
    sys.path.insert(0, layout.CODE)
    return _main_module().__dict__


def _open_streams(stdin: int, stdout: int, stderr: int) -> None:
    """New standard streams: UTF-8, and each line is visible to the host at once."""
    reader = io.BufferedReader(io.FileIO(stdin, "r", closefd=False))
    sys.stdin = io.TextIOWrapper(reader, encoding="utf-8", errors="surrogateescape")
    sys.stdout = _writer(stdout, "<stdout>", "surrogateescape")
    sys.stderr = _writer(stderr, "<stderr>", "backslashreplace")
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr


def set_up_interpreter(args: list) -> None:
    """Makes `sys` look as if the program had been started by name."""
    sys.argv = [layout.main_path(), *args]
    if hasattr(sys, "orig_argv"):
        sys.orig_argv = [sys.executable, *sys.argv]


def remember_source(lines: list) -> None:
    """Keeps the source lines for our report and for the program's own use of `traceback`."""
    failures.remember_source(lines, failures.linecache.cache)
    failures.remember_source(lines, linecache.cache)


def _main_module() -> types.ModuleType:
    """A fresh `__main__`, as CPython makes it for a script."""
    module = types.ModuleType("__main__")
    module.__file__ = layout.main_path()
    module.__builtins__ = builtins
    module.__cached__ = None
    module.__annotations__ = {}
    sys.modules["__main__"] = module
    return module


def decode(source: bytes) -> str:
    """The source as text, without a byte order mark. Errors: `UnicodeDecodeError`."""
    return source.decode("utf-8-sig")


def lines_for_report(source: bytes) -> list:
    """The source's lines, also when it is not UTF-8."""
    return program.lines_of(source.decode("utf-8-sig", "replace"))


def _writer(descriptor: int, name: str, errors: str) -> io.TextIOWrapper:
    raw = io.FileIO(descriptor, "w", closefd=False)
    raw.name = name
    buffer = io.BufferedWriter(raw)
    return io.TextIOWrapper(buffer, encoding="utf-8", errors=errors, line_buffering=True)


def _write(name: str, content: object) -> None:
    with open(name, "xb", buffering=0) as file:
        view = memoryview(content)
        while view:
            view = view[file.write(view) :]

"""Makes the world of one program: reads the request, writes its files, sets up the process.

Runs in a confined child before the first byte of the program does: `open_world` before the child
is given away, the rest when the request has come. Nothing of the request stays behind but the
program's own source and files.
"""

import builtins
import contextlib
import ctypes
import io
import os
import struct
import sys
import types

import entry
import failures
import layout
import program

_READ_BYTES = 64 * 1024
# Where native code puts a request that is nothing but a source of at most this length.
ROOM = ctypes.create_string_buffer(64 * 1024)
# The same memory for Python: `ctypes` itself would touch many pages more.
VIEW = memoryview(ROOM).cast("B")
_COUNTS, _ARGUMENT, _FILE = struct.Struct("<IIII"), struct.Struct("<I"), struct.Struct("<IQ")


def take_request(told: int, descriptor: int) -> tuple:
    """Takes over what `hognose_await_lease` has read and sets up the program's files and arguments.

    `told` as it returns it. Returns the source, the place of its last expression, and the content
    of `entry.NAME`, `None` without one.
    """
    if told >= 0:
        length, place = told & 0xFFFFFFFF, told >> 32
        source, args, wanted = bytes(VIEW[:length]), [], None
    else:
        source, place, args, files = _read_request(descriptor)
        wanted = entry.read(files.pop(0)[1]) if files and files[0][0] == entry.NAME else None
        _write_workdir(source, files, wanted or {})
    set_up_interpreter(args)
    return source, place, wanted


def _read_request(descriptor: int) -> tuple:
    """Reads what follows the counts in `ROOM` and closes `descriptor`; its writer may keep it open.

    Shape: see `encode_request` in crates/wire. Returns the source as bytes, the place of its last
    expression, the arguments, and a list of `(name, bytes)`.
    """
    pipe = _Pipe(descriptor)
    source_bytes, arg_count, file_count, place = _COUNTS.unpack_from(VIEW)
    args = []
    for _ in range(arg_count):
        (length,) = _ARGUMENT.unpack(pipe.take(_ARGUMENT.size))
        args.append(pipe.take(length).decode())
    heads = []
    for _ in range(file_count):
        length, size = _FILE.unpack(pipe.take(_FILE.size))
        heads.append((pipe.take(length).decode(), size))
    source = pipe.take(source_bytes)
    files = [(name, pipe.take(size)) for name, size in heads]
    os.close(descriptor)
    return source, place, args, files


class _Pipe:
    """The bytes of a pipe in pieces of the wanted size."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._ahead = b""

    def take(self, size: int) -> bytes:
        """The next `size` bytes. Errors: `EOFError` when there are fewer."""
        pieces, missing = [], size - len(self._ahead)
        while missing > 0:
            pieces.append(os.read(self._descriptor, max(missing, _READ_BYTES)))
            if not pieces[-1]:
                raise EOFError("the request is shorter than it says")
            missing -= len(pieces[-1])
        content = b"".join((self._ahead, *pieces))
        self._ahead = content[size:]
        return content[:size]


def _write_workdir(source: bytes, files: list, wanted: dict) -> None:
    """Writes the program's file and the input files, each under `input/` and beside the program.

    Names are paths of plain components; the host has seen to it that no file is another's folder.
    """
    if "script" in wanted or "module" in wanted:
        os.unlink("main.py")  # It exists since before the lease.
    if "script" in wanted:
        layout.main = f"{layout.CODE}/{wanted['script']}"
    if "module" not in wanted:
        _make_folder(layout.main_path())
        _write(layout.main_path(), source, "wb")
    for name, content in files:
        _make_folder("input/" + name)
        _write("input/" + name, content)
        if name.partition("/")[0] in ("input", "output"):
            continue  # They keep their meaning.
        try:
            _make_folder(name)
            os.link("input/" + name, name)
        except FileExistsError:
            pass  # So does the program's own file.
    # Its listing may be as old as a clock tick, and so miss what was written in that one.
    sys.path_importer_cache.pop(layout.CODE, None)
    if "directory" in wanted:
        os.makedirs(wanted["directory"], exist_ok=True)
        os.chdir(wanted["directory"])


def _make_folder(path: str) -> None:
    folder = path.rpartition("/")[0]
    if folder and not os.path.isdir(folder):
        os.makedirs(folder)


def set_variables() -> None:
    """Replaces the environment by the fixed one; the loader's path is the launcher's to say."""
    libraries = os.environ.get("LD_LIBRARY_PATH")
    os.environ.clear()
    os.environ.update(layout.VARIABLES)
    if libraries:
        os.environ["LD_LIBRARY_PATH"] = libraries


def _find_matplotlib_files() -> list:
    """Prebuilt font list and matplotlibrc: which file is offered under which name."""
    share, directory = layout.matplotlib_share(), layout.matplotlib_directory()
    names = os.listdir(share) if os.path.isdir(share) else []
    return [(f"{share}/{name}", f"{directory}/{name}") for name in names]


def link_matplotlib_files(make_folder: object, make_link: object) -> None:
    """Offers them in the writable directory, which need not exist yet."""
    make_folder(layout.matplotlib_directory())
    for target, name in _find_matplotlib_files():
        make_link(target, name)


def open_world(streams: tuple = (0, 1, 2)) -> dict:
    """All that depends neither on the request nor on the fork; returns the program's namespace.

    The streams name descriptors by number; what stands behind 0-2 is another pipe in every child.
    """
    with _pipe_as(streams[0]):
        _open_streams(*streams)
    sys.path.insert(0, layout.CODE)
    return _main_module().__dict__


@contextlib.contextmanager
def _pipe_as(descriptor: int) -> object:
    """Puts a pipe in the place of `descriptor`: a stream remembers what it was opened on."""
    saved = os.dup(descriptor)
    read_end, write_end = os.pipe()
    os.dup2(read_end, descriptor)
    try:
        yield
    finally:
        os.dup2(saved, descriptor)
        for number in (saved, read_end, write_end):
            os.close(number)


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
    """Keeps the source lines for our report. The program's own `traceback` reads them from its file."""
    failures.remember_source(lines, failures.linecache.cache)


def _main_module() -> types.ModuleType:
    """A fresh `__main__`, as CPython makes it for a script."""
    module = types.ModuleType("__main__")
    module.__file__ = layout.main_path()
    module.__builtins__ = builtins
    module.__cached__ = None
    module.__annotations__ = {}
    sys.modules["__main__"] = module
    return module


def lines_for_report(source: bytes) -> list:
    """The source's lines, also when it is not UTF-8."""
    return program.lines_of(program.decode(source, "replace"))


def _writer(descriptor: int, name: str, errors: str) -> io.TextIOWrapper:
    raw = io.FileIO(descriptor, "w", closefd=False)
    raw.name = name
    buffer = io.BufferedWriter(raw)
    return io.TextIOWrapper(buffer, encoding="utf-8", errors=errors, line_buffering=True)


def _write(name: str, content: object, mode: str = "xb") -> None:
    with open(name, mode, buffering=0) as file:
        view = memoryview(content)
        while view:
            view = view[file.write(view) :]

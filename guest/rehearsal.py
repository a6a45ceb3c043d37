"""Runs a tiny program the way a real one runs, and takes every trace of it back.

For the pages it touches: rehearsed in the zygote, what every program needs is present at the fork;
practised in a child before it is given away, its own copies are made before anybody waits.
"""

import os
import sys

import endings
import failures
import layout
import prepare
import program
import runner

_SOURCE = b"import sys\nprint('rehearsal')\n0\n"
_SILENT_SOURCE = "print(end='')\n"
_STREAMS = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
_LISTS = ("argv", "orig_argv", "path")


def rehearse() -> None:
    """Runs the tiny program in a folder of its own, its output dropped.

    Errors: whatever goes wrong is raised, and the caller must not go on.
    """
    folder = layout.TMP + "/rehearsal"
    undo = _remember()
    null = os.open("/dev/null", os.O_RDWR)
    layout.CODE = folder
    try:
        for name in ("", "/input", "/output"):
            os.mkdir(folder + name)
        os.chdir(folder)
        namespace = prepare.open_world((null, null, null))
        prepare.ROOM[: len(_SOURCE)] = _SOURCE
        ending = runner.execute_request(namespace, len(_SOURCE))
        endings.rehearse()
        for stream in ending.streams:
            stream.flush()
        if ending.status != 0 or not runner.encode(ending):
            raise RuntimeError("the rehearsal failed")
    finally:
        _forget_source()
        undo()
        os.close(null)
        _remove(folder)


_silent = program.compile_source(_SILENT_SOURCE)


def practise() -> None:
    """Runs a program that says nothing, without its file, on the program's own streams."""
    depth = sys.getrecursionlimit()
    ending = runner.execute(_silent, {"__builtins__": sys.modules["builtins"]}, b"")
    endings.rehearse()
    for stream in ending.streams:
        stream.flush()
    sys.setrecursionlimit(depth)


def _remember() -> object:
    """Returns a function that puts the interpreter back into its present state."""
    code, folder = layout.CODE, os.getcwd()
    main_module = sys.modules["__main__"]
    streams = {name: getattr(sys, name) for name in _STREAMS}
    lists = [(name, getattr(sys, name)) for name in _LISTS if hasattr(sys, name)]
    contents = [list(found) for _, found in lists]
    depth = sys.getrecursionlimit()

    def undo() -> None:
        layout.CODE = code
        os.chdir(folder)
        sys.modules["__main__"] = main_module
        for name, stream in streams.items():
            setattr(sys, name, stream)
        for (name, found), content in zip(lists, contents):
            found[:] = content
            setattr(sys, name, found)
        sys.setrecursionlimit(depth)

    return undo


def _forget_source() -> None:
    failures.linecache.cache.pop(layout.main_path(), None)


def _remove(folder: str) -> None:
    for name in ("/input", "/output", ""):
        os.rmdir(folder + name)

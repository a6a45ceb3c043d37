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
import runner

# Each with the place of its last expression.
_SOURCE = (b"import sys\nprint('rehearsal')\n0\n", 30)
_SILENT_SOURCE = (b"0\nprint(end='')\n", 2)
_STREAMS = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
_LISTS = ("argv", "orig_argv", "path")


def rehearse(write_report: object) -> None:
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
        _run_to_its_end(namespace, _SOURCE, write_report)
    finally:
        _forget_source()
        undo()
        os.close(null)
        _remove(folder)


def practise(write_report: object) -> None:
    """Runs a program that says nothing, without its file, on the program's own streams.

    All the way from its source to its report, so that a real one finds every page its own already.
    """
    depth = sys.getrecursionlimit()
    namespace = {"__builtins__": sys.modules["builtins"]}
    _run_to_its_end(namespace, _SILENT_SOURCE, write_report)
    sys.setrecursionlimit(depth)


def _run_to_its_end(namespace: dict, request: tuple, write_report: object) -> None:
    source, place = request
    prepare.VIEW[: len(source)] = source
    ending = runner.execute_request(namespace, place << 32 | len(source))
    runner.shut_down(ending, endings.rehearse)
    payload = runner.encode(ending)
    if ending.status != 0 or not payload:
        raise RuntimeError("the rehearsal failed")
    write_report(payload, 0)


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

"""Makes a zygote: imports the preload, then hands the process to native code, which forks it.

Invariants: one thread, no open descriptor but 0-3, nothing secret in memory. Started as
`python3 -I -B /guest/zygote.py MODULES plain|snapshot [late]`, with the preload separated by commas
(it may be empty); `plain` leaves the memory where it is. With `late`, and `-S`, nothing of the
environment runs here: each child imports the preload once it is confined. Whatever keeps an
invariant from holding ends the zygote with one sentence and status 1.
"""

import ctypes
import gc
import importlib
import os
import sys
from functools import partial

GUEST = os.path.dirname(os.path.abspath(__file__))
LIBRARY = GUEST + "/libhognose_zygote.so"
# Descriptors 0-2 are the standard streams, 3 is the control socket.
HIGHEST_DESCRIPTOR = 3
# After the snapshot, each with practice runs. A third one made no difference when it was measured.
REHEARSALS = 2
FAILED_STATUS = 1
# The largest object that CPython's own heap for small ones takes.
SMALL_BYTES = 512


def main(native: object = None) -> None:
    """Prepares the zygote and serves; in each child, runs the program. Never returns."""
    preload, is_plain, is_late = _arguments()
    native = native or _load_native()
    # Without the snapshot all objects lie where CPython puts them, so that both can be compared.
    lay_densely = _lay_anywhere if is_plain else native.hognose_lay_densely
    private = _import_own("private")
    # Before the first import that might register a hook.
    hooks = private.load_file("hooks", GUEST + "/hooks.py", lay_densely)
    hooks.install()
    runner = _load_runner(private, lay_densely)
    if native.hognose_prepare() != 0:
        _refuse("the native library is not usable; see the line above")
    runner.endings.install()
    bring_in, warmup = None, _import_own("warmup")
    if is_late:
        bring_in = _postpone(runner, preload, warmup)
        preload = []
    try:
        warmup.without_collecting(partial(_import, preload, warmup))
    except ImportError as error:
        _refuse(f"cannot import the preload: {error}; choose a preload the environment has")
    # What is made from here on, every program uses.
    gc.collect()  # Also empties the interpreter's lists of free objects, which lie anywhere.
    lay_densely(SMALL_BYTES)
    _find(runner, hooks, native)
    gc.freeze()  # What was imported stays; each look for garbage below would walk through all of it.
    if not is_late:
        runner.prepare.link_matplotlib_files(partial(_offer, native, None), partial(_offer, native))
    rehearse = partial(runner.ready.rehearse, hooks, native.hognose_report)
    rehearse()
    namespace = runner.prepare.open_world()
    _take_snapshot(native, rehearse, lay_densely, is_plain)
    # From here on they live on the stack alone, so that no frame below the program names them.
    held = [native, partial(runner.ready.get_ready, hooks, namespace, bring_in)]
    del native, private, hooks, warmup, namespace, bring_in, rehearse, lay_densely
    runner.runner.main(*_serve(held))
    os._exit(FAILED_STATUS)


def _arguments() -> tuple:
    """The names of the preload, whether the fork shall be plain, and whether children import."""
    preload = [name for name in sys.argv[1:2] and sys.argv[1].split(",") if name]
    return preload, sys.argv[2:3] == ["plain"], sys.argv[3:4] == ["late"]


def _import_own(name: str) -> object:
    """Imports a module of ours that nobody else shall import."""
    sys.path.insert(0, GUEST)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(GUEST)
        sys.modules.pop(name, None)


def _load_runner(private: object, lay_densely: object) -> object:
    """Loads our modules before the preload, then applies the program's variables to ourselves."""
    runner = private.load_guest(GUEST, lay_densely)
    runner.prepare.set_variables()
    make_folder = partial(os.makedirs, exist_ok=True)
    runner.prepare.link_matplotlib_files(make_folder, os.symlink)
    return runner


def _import(preload: list, warmup: object) -> None:
    for name in preload:
        importlib.import_module(name)
    warmup.warm(preload)
    warmup.silence_show()


def _postpone(runner: object, preload: list, warmup: object) -> object:
    """Leaves the environment to the children; returns what brings it in."""
    packages = _import_own("packages")
    packages.name_environment(runner.layout.ENVIRONMENT)
    return partial(packages.bring_in, preload, warmup)


def _find(runner: object, hooks: object, native: object) -> None:
    """Finds once what every child has to renew."""
    # Again, for the children: imports have set variables of their own.
    runner.prepare.set_variables()
    hooks.stop_recording()
    runner.endings.park()
    runner.randomness.find(native.hognose_renew_memory)


def _offer(native: object, target: object, name: str) -> None:
    """Has each child make the link, or without a target the folder."""
    native.hognose_offer(target and os.fsencode(target), os.fsencode(name))


def _lay_anywhere(_longest_bytes: int) -> int:
    return 0


def _take_snapshot(native: object, rehearse: object, lay_densely: object, is_plain: bool) -> None:
    """Freezes and moves the memory, then touches what a child will touch."""
    _check_alone()
    gc.collect()
    lay_densely(0)
    _import_own("holes").fill()
    native.hognose_fill_holes()
    gc.collect()
    gc.freeze()
    lay_densely(SMALL_BYTES)
    if not is_plain:
        native.hognose_snapshot()  # Without one the fork is plain, and READY says so.
    for _ in range(REHEARSALS):
        native.hognose_rehearse()
        rehearse()


def _check_alone() -> None:
    """Refuses to serve with a second thread or an unexpected descriptor: forks would inherit it."""
    gc.collect()
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        _refuse(f"the preload started {threads - 1} threads; leave out the module that does")
    # A descriptor that is listed but cannot be examined any more was the listing's own.
    descriptors = [int(name) for name in os.listdir("/proc/self/fd")]
    unexpected = [number for number in descriptors if number > HIGHEST_DESCRIPTOR]
    unexpected = [number for number in unexpected if os.path.lexists(f"/proc/self/fd/{number}")]
    if unexpected:
        _refuse(f"the preload left descriptors {unexpected} open; leave out the module that does")


def _load_native() -> object:
    native = ctypes.PyDLL(LIBRARY)
    for name in ("prepare", "fill_holes", "snapshot", "rehearse", "serve"):
        function = getattr(native, "hognose_" + name)
        function.argtypes, function.restype = [], ctypes.c_int
    native.hognose_lay_densely.argtypes = [ctypes.c_size_t]
    native.hognose_lay_densely.restype = ctypes.c_int
    native.hognose_renew_memory.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
    native.hognose_renew_memory.restype = ctypes.c_int
    native.hognose_offer.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
    native.hognose_offer.restype = ctypes.c_int
    native.hognose_await_lease.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    native.hognose_await_lease.restype = ctypes.c_int64
    native.hognose_report.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    native.hognose_report.restype = ctypes.c_int
    return native


def _serve(held: list) -> list:
    """Enters the native fork loop; in each confined child, empties `held` and returns what it held."""
    if held[0].hognose_serve() != 0:
        _refuse("the native fork loop ended; see the server's log for its reason")
    given = held[:]
    held.clear()
    return given


def _refuse(sentence: str) -> None:
    os.write(2, f"{sentence}\n".encode("utf-8", "replace"))
    os._exit(FAILED_STATUS)


if __name__ == "__main__":
    main()

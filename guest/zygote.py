"""Makes a zygote: imports the preload, then hands the process to native code, which forks it.

Invariants: one thread, no open descriptor but 0-3, nothing secret in memory. Started as
`python3 -I -B /guest/zygote.py MODULES`, with the preload separated by commas (it may be empty).
Whatever keeps an invariant from holding ends the zygote with one sentence and status 1.
"""

import ctypes
import gc
import importlib
import os
import sys

GUEST = os.path.dirname(os.path.abspath(__file__))
LIBRARY = GUEST + "/libhognose_zygote.so"
# Descriptors 0-2 are the standard streams, 3 is the control socket.
HIGHEST_DESCRIPTOR = 3
FAILED_STATUS = 1


def main(serve: object = None) -> None:
    """Prepares the zygote and serves; in each child, runs the program. Never returns."""
    preload = [name for name in sys.argv[1:2] and sys.argv[1].split(",") if name]
    runner = _load_runner()
    try:
        _import(preload)
    except ImportError as error:
        _refuse(f"cannot import the preload: {error}; choose a preload the environment has")
    _check_alone()
    gc.collect()
    gc.freeze()
    # The argument is passed on the stack, so that no frame below the program names it.
    runner.main((serve or _serve)())
    os._exit(FAILED_STATUS)


def _load_runner() -> object:
    """Loads our modules before any other, then applies the program's variables to ourselves."""
    sys.path.insert(0, GUEST)
    try:
        import private
    finally:
        sys.path.remove(GUEST)
    del sys.modules["private"]
    runner = private.load_guest(GUEST)
    runner.prepare.set_variables()
    runner.prepare.link_matplotlib_files()
    return runner


def _import(preload: list) -> None:
    for name in preload:
        importlib.import_module(name)
    sys.path.insert(0, GUEST)
    try:
        import warmup
    finally:
        sys.path.remove(GUEST)
    del sys.modules["warmup"]
    warmup.warm(preload)
    warmup.silence_show()


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


def _serve() -> object:
    """Enters the native fork loop; returns the library in each confined child."""
    native = ctypes.PyDLL(LIBRARY)
    native.hognose_serve.argtypes = []
    native.hognose_serve.restype = ctypes.c_int
    native.hognose_report.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
    native.hognose_report.restype = ctypes.c_int
    if native.hognose_serve() != 0:
        _refuse("the native fork loop ended; see the server's log for its reason")
    return native


def _refuse(sentence: str) -> None:
    os.write(2, f"{sentence}\n".encode("utf-8", "replace"))
    os._exit(FAILED_STATUS)


if __name__ == "__main__":
    main()

"""What CPython and the preload's modules do when a program ends, left out where nothing is to do.

Of the pages that a short program touches after its last line, most belonged to exit functions
that found nothing to do. Those of the preload are parked in the zygote, each with a question that
tells whether it is needed. They were registered before any of the program's own, so they run
after them, as ever.
"""

import atexit
import sys
import threading

_register = atexit.register
_run_registered = atexit._run_exitfuncs
_join_threads = threading._shutdown

_registered = []
# (function, whether it has nothing to do), in the order of their registration.
_parked = []
_thread_exits = 0


def install() -> None:
    """In the zygote, before the imports: notes what they register."""
    atexit.register = _note


def park() -> None:
    """In the zygote, after the imports: parks the exit functions that we know."""
    global _thread_exits
    atexit.register = _register
    _thread_exits = len(threading._threading_atexits)
    for name, find in _KNOWN:
        module = sys.modules.get(name)
        if module is None:
            continue
        function, is_idle = find(module)
        if function in _registered:
            atexit.unregister(function)
            _parked.append((function, is_idle))


def join_threads() -> None:
    """Waits for the program's threads, as CPython does first."""
    alone = len(threading._active) == 1 and not threading._limbo
    if not alone or len(threading._threading_atexits) != _thread_exits:
        _join_threads()


def run_exit_functions() -> None:
    """Runs the program's own exit functions, then those of the preload that are needed."""
    _run_registered()
    for function, is_idle in reversed(_parked):
        if not is_idle():
            function()


def rehearse() -> None:
    """Asks all the questions, and does nothing."""
    for _, is_idle in _parked:
        is_idle()


def _note(function: object, *args: object, **options: object) -> object:
    """Stands for `atexit.register` in the zygote; a module that keeps it loses nothing."""
    _registered.append(function)
    return _register(function, *args, **options)


def _logging(module: object) -> tuple:
    known = len(module._handlerList)
    return module.shutdown, lambda: len(module._handlerList) == known


def _multiprocessing(module: object) -> tuple:
    children = sys.modules["multiprocessing.process"]._children
    known = len(module._finalizer_registry)
    return (
        module._exit_function,
        lambda: not children and len(module._finalizer_registry) == known,
    )


def _pillow(module: object) -> tuple:
    return module.core.clear_cache, lambda: True  # Memory that goes with the process.


def _matplotlib(module: object) -> tuple:
    return module.Gcf.destroy_all, lambda: not module.Gcf.figs


_KNOWN = (
    ("logging", _logging),
    ("multiprocessing.util", _multiprocessing),
    ("PIL.Image", _pillow),
    ("matplotlib._pylab_helpers", _matplotlib),
)

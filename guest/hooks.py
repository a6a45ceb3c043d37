"""Keeps the at-fork hooks of the preload, so that a fork of the zygote does not run them all.

A fork of ours needs hardly any of them: it has one thread, holds no lock, and is reseeded anyway.
The program's own forks need them all. So `os.register_at_fork` is replaced before the preload is
imported and put back after it. In each child one hook is registered that runs all of the recorded
ones: registering each would make every child copy the pages they lie on. Hooks that were registered
before us are out of reach and run as ever.
"""

import os
import sys
from _thread import get_native_id
from types import SimpleNamespace

# Whose hooks a fork of the zygote can go without, and why.
_NEEDLESS = {
    "random": "every child is reseeded",
    "threading": "there is one thread, and its native number is seen to",
    "logging": "the zygote holds no lock",
    "concurrent.futures.thread": "the zygote holds no lock",
    "asyncio.events": "the zygote has no running loop",
    "multiprocessing.resource_tracker": "none runs: it would hold a descriptor",
    "joblib.externals.loky.backend.resource_tracker": "none runs: it would hold a descriptor",
    "matplotlib.font_manager": "the warm-up has emptied its cache",
}

# A child is the second process of its namespace: init is the first.
CHILDS_NUMBER = 2

_register = os.register_at_fork
_recorded = []
# Those of them that a fork of the zygote needs.
_needed = []


def install() -> None:
    """Records from now on what modules register."""
    os.register_at_fork = _record


def stop_recording() -> None:
    """Puts the function back, also where modules have kept ours; once, after the imports."""
    _needed[:] = [hooks for owner, hooks in _recorded if owner not in _NEEDLESS]
    recorder, os.register_at_fork = os.register_at_fork, _register
    for module in list(sys.modules.values()):
        namespace = getattr(module, "__dict__", {})
        for name, value in list(namespace.items()):
            if value is recorder:
                namespace[name] = _register
    # What `restore` would find in a child.
    main_thread = _main_thread()
    if hasattr(main_thread, "_native_id"):
        main_thread._native_id = CHILDS_NUMBER


def rehearse() -> None:
    """Looks at what `restore` will need, without registering anything."""
    for hooks in _needed:
        _ignore(**hooks)


def restore() -> None:
    """In a child: does what the fork left out and registers everything for the program's forks."""
    if get_native_id() != CHILDS_NUMBER and hasattr(_main_thread(), "_set_native_id"):
        _main_thread()._set_native_id()
    for hooks in _needed:
        _run_late(hooks)
    _register(
        before=_run_before,
        after_in_parent=_run_after_in_parent,
        after_in_child=_run_after_in_child,
    )


def _main_thread() -> object:
    return getattr(sys.modules.get("threading"), "_main_thread", None)


def _run_before() -> None:
    for _, hooks in reversed(_recorded):
        _run(hooks, "before")


def _run_after_in_parent() -> None:
    for _, hooks in _recorded:
        _run(hooks, "after_in_parent")


def _run_after_in_child() -> None:
    for _, hooks in _recorded:
        _run(hooks, "after_in_child")


def _run(hooks: dict, moment: str) -> None:
    """Runs one hook; as in CPython an exception is told and keeps no other from running."""
    hook = hooks.get(moment)
    if hook is None:
        return
    try:
        hook()
    except BaseException as error:
        told = SimpleNamespace(
            exc_type=type(error),
            exc_value=error,
            exc_traceback=error.__traceback__,
            err_msg=None,
            object=hook,
        )
        sys.unraisablehook(told)


def _record(**hooks: object) -> None:
    """Stands for `os.register_at_fork` in the zygote."""
    known = {"before", "after_in_parent", "after_in_child"}
    if not hooks or not known.issuperset(hooks) or not all(map(callable, hooks.values())):
        _register(**hooks)  # Which complains as ever.
    _recorded.append((sys._getframe(1).f_globals.get("__name__"), hooks))


def _ignore(**_hooks: object) -> None:
    pass


def _run_late(hooks: dict) -> None:
    """What the fork would have run, in the child: the one side may undo what the other did."""
    for moment in ("before", "after_in_child"):
        if moment in hooks:
            hooks[moment]()

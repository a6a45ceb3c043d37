"""Keeps the at-fork hooks of the preload, so that a fork of the zygote does not run them all.

A fork of ours needs hardly any of them: it has one thread, holds no lock, and is reseeded anyway.
The program's own forks need them all. So `os.register_at_fork` is replaced before the preload is
imported and put back in each child, never in the zygote: registered twice, a hook that takes a
lock would wait for itself. Hooks that were registered before us are out of reach and run as ever.
"""

import os
import sys

# Whose hooks a fork of the zygote can go without, and why.
_NEEDLESS = {
    "random": "every child is reseeded",
    "threading": "there is one thread, and `restore` renews its native number",
    "logging": "the zygote holds no lock",
    "concurrent.futures.thread": "the zygote holds no lock",
    "asyncio.events": "the zygote has no running loop",
    "multiprocessing.resource_tracker": "none runs: it would hold a descriptor",
    "joblib.externals.loky.backend.resource_tracker": "none runs: it would hold a descriptor",
    "matplotlib.font_manager": "the warm-up has emptied its cache",
}

_register = os.register_at_fork
_recorded = []
# Namespaces and names under which modules have kept the recorder.
_copies = []


def install() -> None:
    """Records from now on what modules register."""
    os.register_at_fork = _record


def find_copies() -> None:
    """Looks for modules that have taken the function by its name; once, after the imports."""
    for module in list(sys.modules.values()):
        namespace = getattr(module, "__dict__", {})
        for name, value in list(namespace.items()):
            if value is _record:
                _copies.append((namespace, name))


def rehearse() -> None:
    """Looks at all that `restore` will need, without registering anything."""
    for owner, hooks in _recorded:
        if owner in _NEEDLESS:
            _ignore(**hooks)


def restore() -> None:
    """In a child: does what the fork left out and registers everything for the program's forks."""
    for namespace, name in _copies:
        namespace[name] = _register
    os.register_at_fork = _register
    main_thread = getattr(sys.modules.get("threading"), "_main_thread", None)
    if hasattr(main_thread, "_set_native_id"):
        main_thread._set_native_id()
    for owner, hooks in _recorded:
        if owner not in _NEEDLESS:
            _run_late(hooks)
        _register(**hooks)
    _recorded.clear()


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

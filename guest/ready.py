"""What a child does between its fork and its lease, and how the zygote rehearses it."""

import os

import prepare
import randomness
import rehearsal

# CPython adapts code to what it meets after a few calls, and adapted code touches fewer pages.
_PRACTICES = 8


def rehearse(hooks: object, write_report: object) -> None:
    """What `get_ready` and a program do, with every trace of it taken back."""
    hooks.rehearse()
    rehearsal.rehearse(write_report)
    for _ in range(_PRACTICES):
        rehearsal.practise(write_report)


def get_ready(hooks: object, namespace: dict, bring_in: object, write_report: object) -> dict:
    """Makes a confined child ready for any request; returns the program's namespace.

    `bring_in` makes the packages of an environment importable where the zygote has not.
    """
    hooks.restore()
    if randomness.late or randomness.is_needed():
        randomness.renew()
    rehearsal.practise(write_report)
    if bring_in is not None:
        prepare.link_matplotlib_files(os.mkdir, os.symlink)
        bring_in()  # Last: from here on the packages' code may have changed anything.
    return namespace

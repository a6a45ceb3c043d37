"""Builds a wheel in a guest, as PEP 517 says. argv: step, archive, subdirectory, build system.

`plan` returns what the source says about its build, `requires` what else its backend wants,
`wheel` leaves the wheel in output/ and returns its name.
"""

import importlib
import json
import os
import shutil
import sys


def unpacked(archive, subdirectory):
    shutil.unpack_archive(archive, "/code/source")
    root = "/code/source"
    entries = os.listdir(root)
    if len(entries) == 1 and os.path.isdir(os.path.join(root, entries[0])):
        root = os.path.join(root, entries[0])
    return os.path.join(root, subdirectory)


def text_of(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def main():
    step, archive, subdirectory, system = sys.argv[1:]
    root = unpacked(archive, subdirectory)
    os.chdir(root)
    if step == "plan":
        return {"pyproject": text_of("pyproject.toml"), "setup": os.path.exists("setup.py")}
    system = json.loads(system)
    sys.path[:0] = [os.path.join(root, folder) for folder in system["backend-path"]]
    sys.argv = ["setup.py"]
    module, _, attributes = system["build-backend"].partition(":")
    backend = importlib.import_module(module)
    for name in filter(None, attributes.split(".")):
        backend = getattr(backend, name)
    if step == "requires":
        hook = getattr(backend, "get_requires_for_build_wheel", None)
        return list(hook({})) if hook else []
    return backend.build_wheel("/code/output", {})


main()

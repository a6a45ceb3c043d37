"""The packages of an environment that nobody vouches for: their first byte runs in a confined child.

The zygote of such an environment is started without `site` and imports the standard library only.
So a `.pth` file, a `sitecustomize` or a package of a known name does nothing before the child is
confined; it then does what it would do in any program.
"""

import importlib
import site
import sys
from functools import partial

_environment = ""


def name_environment(folder: str) -> None:
    """In the zygote: makes `sys` say what it would say in a venv at `folder`, and reads nothing of it."""
    global _environment
    _environment = folder
    sys._base_executable = sys.executable
    sys.executable = folder + "/bin/python3"
    sys.prefix = sys.exec_prefix = folder
    site.PREFIXES[:] = [sys.prefix, sys.exec_prefix]
    site.ENABLE_USER_SITE = False
    # What `site` adds to the builtins, which programs expect.
    site.setquit()
    site.setcopyright()
    site.sethelper()


def bring_in(preload: list, warmup: object) -> None:
    """In a confined child: makes the packages importable and imports those of `preload` there are."""
    major, minor = sys.version_info[:2]
    site.addsitedir(f"{_environment}/lib/python{major}.{minor}/site-packages")
    site.execsitecustomize()
    warmup.without_collecting(partial(_import, preload, warmup))
    warmup.silence_show()


def _import(preload: list, warmup: object) -> None:
    imported = [name for name in preload if _is_imported(name)]
    try:
        warmup.warm(imported)
    except BaseException:
        pass  # Another release of the library; its first use is merely slower.


def _is_imported(name: str) -> bool:
    try:
        importlib.import_module(name)
    except BaseException:
        return False  # A program that imports it is told why.
    return True

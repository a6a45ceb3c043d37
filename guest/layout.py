"""Where things are inside a guest, and the environment every program starts with.

Tests replace `CODE` and `TMP`, so everything below them is a function.
"""

CODE = "/code"
TMP = "/tmp"
ENVIRONMENT = "/environment"

# Source: docs of the runner's descriptors in ARCHITECTURE.md; 0-2 are the standard streams.
REQUEST_FD = 4

# The whole environment of a program, an allow-list by value: nothing else is ever inherited.
VARIABLES = {
    "PATH": "/environment/bin:/usr/bin:/bin",
    "HOME": "/code",
    "LANG": "C.UTF-8",
    "TMPDIR": "/tmp",
    "MPLBACKEND": "Agg",
    "MPLCONFIGDIR": "/tmp/.matplotlib",
    "PYTHONUTF8": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    # One thread per library: a pool started in a zygote would not survive the fork, and one
    # started in the program would only fight over the CPU limit.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}


# The file that holds the program's source, if it is another than `main.py`.
main = None


def main_path() -> str:
    """The file that holds the program's source."""
    return main or CODE + "/main.py"


def matplotlib_directory() -> str:
    """What `MPLCONFIGDIR` names: matplotlib insists on a writable one."""
    return TMP + "/.matplotlib"


def matplotlib_share() -> str:
    """Read-only matplotlibrc and font list, built with the environment."""
    return ENVIRONMENT + "/share/matplotlib"

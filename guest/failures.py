"""What an exception was: type, message, frames, causes and the text CPython would print.

The exception is hostile: its `__str__` may raise, its classes may lie, its causes may be a
hundred thousand deep. So attributes are read through the descriptors of `BaseException` and
`type`, every walk has a bound, and every text is clipped.
"""

import os
import stat
from collections import deque

import layout
import text

MESSAGE_BYTES = 64 * 1024
TRACEBACK_BYTES = 64 * 1024
CAUSES = 16
FRAMES = 100
NAME_BYTES = 512
SOURCE_LINE_BYTES = 1024
# What the interpreter itself prints at most. Source: `PyTraceBack_LIMIT` in CPython.
PRINTED_FRAMES = 1000
# Members of exception groups, over all levels, that are printed one by one.
GROUP_MEMBERS = 256
LIBRARY_SOURCE_BYTES = 4 * 1024 * 1024

# Set once by `use_private`: instances of the standard modules that the program cannot patch.
traceback = linecache = None

_OURS = __builtins__  # The private dictionary: see `private.BUILTINS`.
_get_traceback = BaseException.__dict__["__traceback__"].__get__
_cause = BaseException.__dict__["__cause__"]
_context = BaseException.__dict__["__context__"]
_suppressed = BaseException.__dict__["__suppress_context__"].__get__
_qualname = type.__dict__["__qualname__"].__get__
_module = type.__dict__["__module__"].__get__
_base_group = __builtins__.get("BaseExceptionGroup")


def use_private(private_traceback: object, private_linecache: object) -> None:
    """Takes private instances of `traceback` and `linecache` and bounds what they may read."""
    global traceback, linecache
    traceback, linecache = private_traceback, private_linecache
    traceback.linecache = linecache
    # Before 3.11 the one, from 3.11 on the other; both only ever turn an object into a text.
    traceback._some_str = lambda value: text.describe(value, MESSAGE_BYTES)
    traceback._safe_string = lambda value, what, func=str: _safe_string(value, what, func)
    read = linecache.updatecache
    linecache.updatecache = lambda name, namespace=None: (
        read(name, namespace) if _is_small_file(name) else []
    )


def remember_source(lines: list, cache: dict) -> None:
    """Puts the program's lines into a line cache, so that they outlive the file.

    The missing time stamp makes `linecache.checkcache` keep the entry.
    """
    size = sum(len(line) for line in lines)
    cache[layout.main_path()] = (size, None, lines, layout.main_path())


def describe(error: BaseException, lines: list) -> dict:
    """The `exception` object of a report, without its exit status."""
    described = _describe_one(error, lines)
    chain = _chain(error)
    described["causes"] = [_describe_one(cause, lines) for cause in chain[1:]]
    described["traceback"] = _printed(error, chain)
    return described


def describe_compile_error(error: BaseException, lines: list) -> dict:
    """The same for source that does not compile: one frame, at the line that is wrong.

    The line is 1 where CPython does not tell (source nested too deeply).
    """
    line = 1
    if isinstance(error, SyntaxError):
        line = error.lineno or 1
        if error.text is None and 0 < line <= len(lines):
            error.text = lines[line - 1]
    elif isinstance(error, UnicodeDecodeError):
        line = error.object.count(b"\n", 0, error.start) + 1
    elif isinstance(error, ValueError):
        line = next((n for n, text_ in enumerate(lines, 1) if "\0" in text_), 1)
    described = describe(error, lines)
    described["frames"] = [_frame(layout.main_path(), line, "<module>", lines)]
    return described


def user_traceback(error: BaseException) -> object:
    """The traceback without our own frames, which are all at its beginning."""
    entry = _get_traceback(error)
    while entry is not None and entry.tb_frame.f_builtins is _OURS:
        entry = entry.tb_next
    return entry


def qualified_name(kind: type) -> str:
    """`ValueError`, `json.decoder.JSONDecodeError`: the module is left out for built-ins."""
    name = text.clip(_qualname(kind), NAME_BYTES)
    module = _module(kind)
    if type(module) is not str or module == "builtins":
        return name
    return f"{text.clip(module, NAME_BYTES)}.{name}"


def _describe_one(error: BaseException, lines: list) -> dict:
    return {
        "type": qualified_name(type(error)),
        "message": text.describe(error, MESSAGE_BYTES),
        "frames": _frames(user_traceback(error), lines),
        "causes": [],
        "traceback": "",
        "exit_status": None,
    }


def _frames(entry: object, lines: list) -> list:
    """The first and the last half of `FRAMES`, outermost first."""
    first, last = [], deque(maxlen=FRAMES // 2)
    while entry is not None:
        (first if len(first) < FRAMES // 2 else last).append(entry)
        entry = entry.tb_next
    codes = [(entry.tb_frame.f_code, entry.tb_lineno) for entry in (*first, *last)]
    return [_frame(code.co_filename, line, code.co_name, lines) for code, line in codes]


def _frame(file: str, line: object, function: str, lines: list) -> dict:
    number = line if type(line) is int and 0 <= line < 2**32 else 0
    source = None
    if file == layout.main_path() and 0 < number <= len(lines):
        source = text.clip(lines[number - 1].rstrip("\r\n"), SOURCE_LINE_BYTES)
    return {
        "file": text.clip(file, NAME_BYTES),
        "line": number,
        "function": text.clip(function, NAME_BYTES),
        "source": source,
    }


def _chain(error: BaseException) -> list:
    """The exception and the causes that CPython would print, newest first."""
    chain, seen = [], set()
    while error is not None and id(error) not in seen and len(chain) <= CAUSES:
        chain.append(error)
        seen.add(id(error))
        cause = _cause.__get__(error)
        if cause is None and not _suppressed(error):
            cause = _context.__get__(error)
        error = cause
    return chain


def _printed(error: BaseException, chain: list) -> str:
    """The traceback as CPython prints it.

    What is not in `chain` is cut off the exceptions first: the program has ended, and the
    standard module would follow every link, in Python 3.9 even those it does not print.
    """
    output = text.MiddleCut(TRACEBACK_BYTES)
    try:
        for position, item in enumerate(chain):
            following = chain[position + 1] if position + 1 < len(chain) else None
            by_cause = following is not None and _cause.__get__(item) is following
            suppressed = _suppressed(item)
            _cause.__set__(item, following if by_cause else None)
            _context.__set__(item, None if by_cause else following)
            BaseException.__dict__["__suppress_context__"].__set__(item, suppressed)
            BaseException.with_traceback(item, user_traceback(item))
        if any(_is_large_group(item) for item in chain):
            return _printed_plainly(chain)
        report = traceback.TracebackException(
            type(error), error, user_traceback(error), limit=-PRINTED_FRAMES
        )
        for piece in report.format():
            output.add(piece)
        return output.text()
    except BaseException:
        return _printed_plainly(chain)


def _printed_plainly(chain: list) -> str:
    """The fallback, with nothing that asks the exception for more than its name and `str`."""
    output = text.MiddleCut(TRACEBACK_BYTES)
    for position, item in enumerate(reversed(chain)):
        if position:
            output.add("\nwhich led to:\n\n")
        output.add("Traceback (most recent call last):\n")
        for frame in _frames(user_traceback(item), []):
            output.add(f'  File "{frame["file"]}", line {frame["line"]}, in {frame["function"]}\n')
        output.add(f"{qualified_name(type(item))}: {text.describe(item, MESSAGE_BYTES)}\n")
    return output.text()


def _is_large_group(error: BaseException) -> bool:
    """Whether printing the members of an exception group would be more than a page of text."""
    if _base_group is None:
        return False
    waiting, members = [error], 0
    while waiting:
        item = waiting.pop()
        for link in (_cause.__get__(item), _context.__get__(item)):
            if link is not None:
                waiting.append(link)
                members += 1
        if issubclass(type(item), _base_group):
            parts = _base_group.exceptions.__get__(item)
            members += len(parts)
            waiting.extend(parts[:GROUP_MEMBERS])
        if members > GROUP_MEMBERS:
            return True
    return False


def _safe_string(value: object, what: str, func: object) -> str:
    if func is str:
        try:
            return text.clip(str(value), MESSAGE_BYTES)
        except BaseException:
            return f"<{what} str() failed>"
    try:
        return text.clip(func(value), MESSAGE_BYTES)
    except BaseException:
        return f"<{what} {getattr(func, '__name__', 'repr')}() failed>"


def _is_small_file(name: str) -> bool:
    """Whether `name` may be read for its lines: never a FIFO, a device or a huge file."""
    try:
        state = os.stat(name)
    except (OSError, ValueError):
        return True  # No such file: the standard search goes on, and finds zipped modules.
    return stat.S_ISREG(state.st_mode) and state.st_size <= LIBRARY_SOURCE_BYTES

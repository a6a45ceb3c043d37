"""Runs one program in a confined child and reports how it ended.

Everything here shares the process with hostile code, so it decides nothing: the report is a
claim, and the host believes it only where it agrees with `waitid`. What this module does keep is
that an honest program's end is told truly, and that a program which only breaks its own world
(patches builtins, closes streams, walks frames) breaks neither the report nor its exit status.
"""

import _signal
import io
import os
import sys
from functools import partial
from posix import _exit, getpid

import endings
import entry
import failures
import layout
import prepare
import program
import text
import values

# The end of a child that cannot start its program or cannot report.
LOST_STATUS = 70
REPORT_BYTES = 1024 * 1024
FIGURES = 20
# The most frequent end, ready to be sent.
_NO_VALUE = {"end": "completed", "value": {"repr": None, "error": None}}
_NO_VALUE_BYTES = b'{"end":"completed","value":{"repr":null,"error":null}}'

_encode = None
_modules = sys.modules
_set_recursion_limit, _set_trace, _set_profile = sys.setrecursionlimit, sys.settrace, sys.setprofile
_exit_code = SystemExit.code.__get__


class _Ending:
    """How the program ended: the report's JSON object, its process status, and who is telling."""

    __slots__ = ("body", "status", "is_exit", "process", "streams", "excepthook")

    def __init__(self) -> None:
        self.process = getpid()
        self.streams = (sys.stdout, sys.stderr)
        self.excepthook = sys.excepthook


def use_private(private_encoder: object) -> None:
    """Takes a private instance of `json.encoder`."""
    global _encode
    _encode = private_encoder.JSONEncoder(
        ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")
    ).encode


def main(native: object, get_ready: object) -> None:
    """Gets ready, waits for the request on descriptor 4, runs it and reports; never returns.

    `get_ready` is given the writer of reports, for a practice run, before any program is there.
    """
    state = None
    # The loop's value stack alone holds what these steps need while the program runs: no local
    # and no global of a frame that the program can walk to names the writer of reports.
    for step in (
        partial(_await_lease, partial(get_ready, native.hognose_report), native.hognose_await_lease),
        _run,
        partial(_send, native.hognose_report),
    ):
        native = get_ready = None
        try:
            state = step(state)
        except BaseException:
            _exit(LOST_STATUS)  # Nothing true can be told any more.


def _await_lease(get_ready: object, await_lease: object, _nothing: None) -> tuple:
    """Does what needs no request, then waits. Returns the program's namespace, and what came."""
    try:
        namespace = get_ready()
    except BaseException as error:
        _refuse("get ready", error)
    return namespace, await_lease(prepare.ROOM, len(prepare.ROOM))


def _run(given: tuple) -> _Ending:
    ending = execute_request(*given)
    shut_down(ending, endings.run_exit_functions)
    return ending


def execute_request(namespace: dict, told: int) -> _Ending:
    """Runs the program of the request in `namespace`; `told` as in `prepare.take_request`.

    Tells how it ended, before anything is flushed or shut down.
    """
    try:
        source, place, wanted = prepare.take_request(told, layout.REQUEST_FD)
    except BaseException as error:
        _refuse("start the program", error)
    # Before anything of the program runs: `entry.enter` imports the packages of a module.
    ending = _Ending()
    error = value = last = None
    describe = failures.describe
    try:
        if wanted is not None:
            source, place, last = entry.enter(wanted, source, place, namespace)
        describe = failures.describe_compile_error
        code, expression = program.compile_at(source, place)
        describe = failures.describe
        exec(code, namespace)
        if expression is not None:
            value = eval(expression, namespace)
        if last is not None:
            value = last(namespace)
    except BaseException as raised:
        error = raised
    for _ in range(3):
        try:
            _settle()
            break
        except BaseException:
            pass  # A trace or profile function raised; CPython has removed it for that.
    if error is not None:
        _conclude(ending, error, source, describe)
        return ending
    ending.status = 0
    if value is None:
        ending.body = _NO_VALUE
    else:
        ending.body = {"end": "completed", "value": _guarded(values.describe, value, _encode)}
    return ending


def _refuse(what: str, error: BaseException) -> None:
    os.write(2, f"cannot {what}: {text.describe(error, 1024)}\n".encode())
    _exit(LOST_STATUS)


def _conclude(ending: _Ending, error: BaseException, source: bytes, describe: object) -> None:
    """Tells an exception as CPython would: on stderr, and by the exit status."""
    lines = prepare.lines_for_report(source)
    prepare.remember_source(lines)
    ending.status = 1
    ending.is_exit = issubclass(type(error), SystemExit)
    if ending.is_exit:
        ending.status = _exit_status(_exit_code(error))
        if ending.status == 0:
            ending.body = _NO_VALUE
            return
    exception = _guarded(describe, error, lines)
    exception["exit_status"] = ending.status if ending.is_exit else None
    if ending.is_exit:
        exception["traceback"] = ""  # As CPython, which prints none for it.
    else:
        _print_traceback(ending, error, exception["traceback"])
    ending.body = {"end": "raised", "exception": exception}


def _exit_status(code: object) -> int:
    if code is None:
        return 0
    if issubclass(type(code), int):
        return int.__and__(code, 0xFF)
    _print(text.describe(code, failures.MESSAGE_BYTES) + "\n")
    return 1


def _print_traceback(ending: _Ending, error: BaseException, printed: str) -> None:
    hook = getattr(sys, "excepthook", None)
    if hook is not None and hook is not ending.excepthook:
        try:
            hook(type(error), error, failures.user_traceback(error))
            return
        except BaseException:
            pass  # A broken hook: the exception itself is the better news.
    _print(printed)


def _print(message: str) -> None:
    """Writes to the program's stderr, whatever it made of it."""
    try:
        sys.stderr.write(message)
    except BaseException:
        pass


def _guarded(describe: object, subject: object, context: object) -> dict:
    """`describe(subject, context)`, or the little that is certain when even that fails."""
    try:
        return describe(subject, context)
    except BaseException:
        if describe is values.describe:
            return {"repr": None, "error": "the value cannot be described"}
        return _bare_exception(failures.qualified_name(type(subject)))


def _bare_exception(kind: str) -> dict:
    return {
        "type": kind,
        "message": "the exception cannot be described",
        "frames": [],
        "causes": [],
        "traceback": "",
        "exit_status": None,
    }


def _settle() -> None:
    """Undoes what would let the program interfere with, or count against, its own report."""
    _set_trace(None)
    _set_profile(None)
    try:
        _set_recursion_limit(1000)
    except BaseException:
        pass


def shut_down(ending: _Ending, run_exit_functions: object) -> None:
    """What CPython does at the end, in its order; each step whatever became of the one before."""
    for step in (endings.join_threads, partial(_save_figures, ending), run_exit_functions):
        try:
            step()
        except BaseException:
            pass
    # From here on a timer of the program could only interrupt the report.
    for timer in (_signal.ITIMER_REAL, _signal.ITIMER_VIRTUAL, _signal.ITIMER_PROF):
        _signal.setitimer(timer, 0)
    _settle()
    for stream in (getattr(sys, "stdout", None), getattr(sys, "stderr", None), *ending.streams):
        try:
            stream.flush()
        except BaseException:
            pass


def _save_figures(ending: _Ending) -> None:
    """Saves open figures as `output/figure-N.png`; before the exit functions, which close them."""
    helpers, pyplot = _modules.get("matplotlib._pylab_helpers"), _modules.get("matplotlib.pyplot")
    if not helpers or not helpers.Gcf.figs or pyplot is None or getpid() != ending.process:
        return
    position = 0
    for number in pyplot.get_fignums()[:FIGURES]:
        try:
            image = io.BytesIO()
            pyplot.figure(number).savefig(image, format="png")
            position = _write_figure(image.getvalue(), position + 1)
        except BaseException:
            pass


def _write_figure(image: bytes, position: int) -> int:
    """Writes to the first free name from `position` on; returns the one it took."""
    while True:
        try:
            with open(f"{layout.CODE}/output/figure-{position}.png", "xb") as file:
                file.write(image)
            return position
        except FileExistsError:
            position += 1


def _send(write_report: object, ending: _Ending) -> None:
    """Writes the one report and ends the process."""
    try:
        # A copy made by `os.fork` that ran to the end is not the program: it has no report.
        if getpid() == ending.process:
            payload = encode(ending)
            # A program that closed the pipe has no report; its status is still the true one.
            write_report(payload, len(payload))
        _exit(ending.status)
    finally:
        _exit(LOST_STATUS)


def encode(ending: _Ending) -> bytes:
    """The report within `REPORT_BYTES`: if need be without causes, at last without details."""
    if ending.body is _NO_VALUE:
        return _NO_VALUE_BYTES
    for reduce in (_keep_all, _keep_short_causes, _keep_outcome):
        try:
            reduce(ending.body)
            payload = _encode(ending.body).encode()
            if len(payload) <= REPORT_BYTES:
                return payload
        except BaseException:
            pass
    if ending.status == 0:
        return b'{"end":"completed","value":{"repr":null,"error":"the value cannot be encoded"}}'
    exception = _bare_exception("SystemExit" if ending.is_exit else "BaseException")
    exception["exit_status"] = ending.status if ending.is_exit else None
    return _encode({"end": "raised", "exception": exception}).encode()


def _keep_all(_body: dict) -> None:
    pass


def _keep_short_causes(body: dict) -> None:
    for cause in body["exception"]["causes"]:
        cause["message"] = text.clip(cause["message"], 4096)
        cause["frames"] = cause["frames"][-5:]


def _keep_outcome(body: dict) -> None:
    if "value" in body:
        body["value"].pop("json", None)
        body["value"]["not_json"] = "it is too large for a report"
        return
    exception = body["exception"]
    exception["causes"] = []
    exception["frames"] = exception["frames"][-10:]

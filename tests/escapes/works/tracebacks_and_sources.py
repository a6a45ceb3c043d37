# Attempts: nothing hostile: the program's own lines stand in tracebacks, inspect and linecache.
# Expect: completed works
import ast
import dis
import inspect
import io
import linecache
import sys
import traceback


def outer(number):
    return inner(number - 1)


def inner(number):
    return 10 // number


try:
    outer(1)
except ZeroDivisionError as error:
    text = traceback.format_exc()
    frames = traceback.extract_tb(error.__traceback__)
assert [frame.name for frame in frames][-2:] == ["outer", "inner"]
assert frames[-1].line == "return 10 // number" and frames[-1].lineno == 17, frames[-1]
assert "return inner(number - 1)" in text and text.splitlines()[-1].startswith("ZeroDivisionError: ")
assert inspect.getsource(outer) == "def outer(number):\n    return inner(number - 1)\n"
assert str(inspect.signature(outer)) == "(number)" and inspect.getsourcelines(inner)[1] == 16
assert linecache.getline(__file__, 12).startswith("def outer")
assert inspect.currentframe().f_lineno == 31 and inspect.getfile(outer) == __file__
assert ast.parse(open(__file__).read()).body[-1].value.func.id == "print"
listing = io.StringIO()
dis.dis(inner, file=listing)
assert "RETURN_VALUE" in listing.getvalue()
try:
    try:
        {}["missing"]
    except KeyError as error:
        raise RuntimeError("second") from error
except RuntimeError:
    text = traceback.format_exc()
assert "KeyError: 'missing'" in text and "direct cause" in text
code = compile("def made():\n    raise ValueError('made')\n", "<made>", "exec")
exec(code)
linecache.cache["<made>"] = (0, None, ["def made():\n", "    raise ValueError('made')\n"], "<made>")
try:
    made()
except ValueError:
    assert "raise ValueError('made')" in traceback.format_exc()
names = [frame.name for frame in traceback.extract_stack()]
assert names[-1] == "<module>", names
assert sys.exc_info() == (None, None, None)
print("works")

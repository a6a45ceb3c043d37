"""What is run when a request names a function, a script, a module, or globals."""

import json

from support import ProgramCase


def entry(**wanted) -> tuple:
    return "/entry", json.dumps(wanted).encode()


def call(function, *args, **kwargs) -> list:
    return [entry(function=function, args=args, kwargs=kwargs)]


class Functions(ProgramCase):
    def test_what_it_returns_is_the_value(self):
        source = "def f(a, *b, c=0): return [a, b, c]\nprint('ran')\n'not this'"
        seen = self.completes(source, files=call("f", 1, "x", c=None))
        self.assertEqual(seen.value["json"], [1, ["x"], None])
        self.assertEqual(seen.stdout, b"ran\n")
        source = "class A:\n  @staticmethod\n  def f(): return 1\n  def g(self): return 2\na = A()"
        self.assertEqual(self.completes(source, files=call("A.f")).value["json"], 1)
        self.assertEqual(self.completes(source, files=call("a.g")).value["json"], 2)
        self.assertEqual(self.completes("f = lambda: None", files=call("f")).value["repr"], None)

    def test_what_can_be_awaited_is(self):
        source = """
import asyncio
async def f(x):
    await asyncio.sleep(0)
    return x + 1
class Later:
    def __await__(self):
        yield from asyncio.sleep(0).__await__()
        return 7
def g(): return Later()
async def many(): yield 1
async def bad():
    await asyncio.sleep(0)
    1 / 0
async def leave():
    import sys; sys.exit(3)
"""
        self.assertEqual(self.completes(source, files=call("f", 2)).value["json"], 3)
        self.assertEqual(self.completes(source, files=call("g")).value["json"], 7)
        many = self.completes(source, files=call("many")).value
        self.assertEqual(many["not_json"], "it has a value of the type `async_generator`")
        self.assertIn("async_generator", many["repr"])
        seen = self.raises(source, "ZeroDivisionError", files=call("bad"))
        self.assertEqual([(f["line"], f["function"]) for f in seen.exception["frames"]], [(14, "bad")])
        self.assertEqual(seen.exception["causes"], [])
        self.assertNotIn("asyncio", seen.exception["traceback"])
        self.assertEqual(self.raises(source, "SystemExit", files=call("leave")).status, 3)

    def test_what_is_no_function_is_named(self):
        source = "def f(): pass\nasync def g(): pass\nfrom json import dumps\nx = 1\nclass A: pass"
        for name, kind, message in [
            ("h", "NameError", "the program has no function `h`; it has `f`, `g`"),
            ("x", "TypeError", "`x` is no function but of the type `int`"),
            ("A.h", "AttributeError", "type object 'A' has no attribute 'h'"),
            ("print", "NameError", "the program has no function `print`; it has `f`, `g`"),
            ("f()", "NameError", "the program has no function `f()`; it has `f`, `g`"),
            ("", "NameError", "the program has no function ``; it has `f`, `g`"),
        ]:
            seen = self.raises(source, kind, files=call(name))
            self.assertEqual(seen.exception["message"], message)
            self.assertEqual(seen.exception["frames"], [])
            self.assertEqual(seen.stderr.decode(), f"{kind}: {message}\n")
        seen = self.raises("", "NameError", files=call("f"))
        self.assertEqual(seen.exception["message"], "the program has no function `f`")

    def test_lines_are_the_users(self):
        source = "def f(x):\n  return g(x)\ndef g(x):\n  return 1 / x"
        seen = self.raises(source, "ZeroDivisionError", files=call("f", 0))
        self.assertEqual([f["line"] for f in seen.exception["frames"]], [2, 4])
        seen = self.raises(source, "TypeError", files=call("f"))
        self.assertEqual(seen.exception["frames"], [])
        seen = self.raises("1 / 0\ndef f(): pass", "ZeroDivisionError", files=call("f"))
        self.assertEqual([f["line"] for f in seen.exception["frames"]], [1])
        self.raises("def f(: pass", "SyntaxError", files=call("f"))

    def test_results_may_lie(self):
        for body in [
            "  @property\n  def __class__(self): return int",
            "  def __repr__(self): return '3'",
            "  def __eq__(self, other): return True\n  def __hash__(self): return 0",
        ]:
            source = f"class L:\n{body}\ndef f(): return L()"
            value = self.completes(source, files=call("f")).value
            self.assertEqual(value["not_json"], "it has a value of the type `L`")
        source = "class M(type):\n  def mro(cls): return [cls, object]\nclass L(metaclass=M): pass\ndef f(): return L()"
        self.assertIn("`L`", self.completes(source, files=call("f")).value["not_json"])

    def test_values_never_are_code(self):
        tricky = {"x": "__import__('os')", "y": ["\u2028'\"\\", {"": None}], "z": 10**40, "w": 1e-7}
        source = "def f(**all): return [all['x'], all['y'], str(all['z']), all['w']]"
        value = self.completes(source, files=call("f", **tricky)).value
        self.assertEqual(value["json"], [tricky["x"], tricky["y"], str(10**40), 1e-7])


class Globals(ProgramCase):
    def test_they_are_there_before_the_first_line(self):
        source = "'''doc'''\nfrom __future__ import annotations\nx, __doc__"
        seen = self.completes(source, files=[entry(globals={"x": [1], "class": 2})])
        self.assertEqual(seen.value["json"], [[1], "doc"])
        with open(seen.main) as file:
            self.assertEqual(file.read(), source)


class Scripts(ProgramCase):
    SOURCE = "import sys, os, sibling\nsibling.x, __name__, __file__, sys.argv, sys.path[0], os.getcwd()"

    def test_a_script_stands_where_it_says(self):
        files = [entry(script="tools/run.py"), ("tools/sibling.py", b"x = 5"), ("main.py", b"y")]
        seen = self.completes(self.SOURCE, files=files, args=["-v"])
        code = seen.folder + "/code"
        path = code + "/tools/run.py"
        self.assertEqual(
            seen.value["json"], [5, "__main__", path, [path, "-v"], code + "/tools", code]
        )
        with open(code + "/main.py") as file:
            self.assertEqual(file.read(), "y")
        seen = self.raises("\n1/0", "ZeroDivisionError", files=files[:1])
        self.assertEqual(seen.exception["frames"][0]["file"], seen.folder + "/code/tools/run.py")
        self.assertEqual(seen.exception["frames"][0]["source"], "1/0")

    def test_a_directory_is_where_it_starts(self):
        files = [entry(script="run.py", directory="data/x"), ("data/x/a.txt", b"A")]
        self.assertEqual(self.completes("open('a.txt').read()", files=files).value["json"], "A")
        files = [entry(directory="new")]
        seen = self.completes("import os; os.getcwd()", files=files)
        self.assertEqual(seen.value["json"], seen.folder + "/code/new")

    def test_what_has_a_meaning_keeps_it(self):
        files = [("output/x", b"1"), ("input/y", b"2"), ("main.py", b"3")]
        source = "import os; os.listdir('output'), sorted(os.listdir('input')), open('input/output/x').read()"
        seen = self.completes(source, files=files)
        self.assertEqual(seen.value["json"], [[], ["input", "main.py", "output"], "1"])


class Modules(ProgramCase):
    def test_a_module_knows_its_package(self):
        files = [
            ("pkg/__init__.py", b"order = ['init']"),
            ("pkg/sub/__init__.py", b""),
            ("pkg/sub/mod.py", b"import sys\nimport pkg\nfrom . import other\n"
             b"pkg.order, other.x, __name__, __package__, __spec__.name, sys.argv, __file__"),
            ("pkg/sub/other.py", b"x = 1"),
        ]
        seen = self.completes("", files=[entry(module="pkg.sub.mod"), *files], args=["a"])
        path = seen.folder + "/code/pkg/sub/mod.py"
        expected = [["init"], 1, "__main__", "pkg.sub", "pkg.sub.mod", [path, "a"], path]
        self.assertEqual(seen.value["json"], expected)

    def test_a_package_is_run_by_its_main(self):
        files = [("pkg/__init__.py", b""), ("pkg/__main__.py", b"__package__, __spec__.name")]
        seen = self.completes("", files=[entry(module="pkg"), *files])
        self.assertEqual(seen.value["json"], ["pkg", "pkg.__main__"])
        seen = self.completes("", files=[entry(module="this")])
        self.assertIn(b"The Zen of Python", seen.stdout)

    def test_what_cannot_be_run_is_named(self):
        for name, files, kind, message in [
            ("no.such", [], "ModuleNotFoundError", "No module named 'no'"),
            ("nosuch", [], "ModuleNotFoundError", "No module named 'nosuch'"),
            ("p", [("p/__init__.py", b"")], "ModuleNotFoundError", "No module named 'p.__main__'"),
            ("math", [], "ImportError", None),
            ("p.x", [("p/__init__.py", b"1/0")], "ZeroDivisionError", "division by zero"),
            ("p.x", [("p/__init__.py", b"raise SystemExit(5)")], "SystemExit", "5"),
            ("p.x", [("p/__init__.py", b"import sys\nsys.settrace(lambda *a: 1 / 0)\n1 / 0")],
             "ZeroDivisionError", "division by zero"),
            ("p.x", [("p/__init__.py", b"import sys\nsys.setrecursionlimit(60)\n1 / 0")],
             "ZeroDivisionError", "division by zero"),
            ("p", [("p.py", b"def")], "SyntaxError", None),
        ]:
            seen = self.raises("", kind, files=[entry(module=name), *files])
            if message:
                self.assertEqual(seen.exception["message"], message)
        # A copy that its package makes is not the program, whatever ends it.
        fork = b"import os\nif os.fork() == 0: 1 / 0\nos.wait()\nraise SystemExit(5)"
        seen = self.raises("", "SystemExit", files=[entry(module="p.x"), ("p/__init__.py", fork)])
        self.assertEqual(seen.exception["message"], "5")
        # Its own hook tells it, as it would tell what the module itself raises.
        hook = b"import sys\nsys.excepthook = lambda *a: print('hook', file=sys.stderr)\n1 / 0"
        files = [entry(module="p.x"), ("p/__init__.py", hook)]
        self.assertEqual(self.raises("", "ZeroDivisionError", files=files).stderr, b"hook\n")
        seen = self.raises("", "ZeroDivisionError", files=[entry(module="p"), ("p.py", b"\n\n1/0")])
        self.assertEqual([f["line"] for f in seen.exception["frames"]], [3])
        self.assertEqual(seen.exception["frames"][0]["source"], "1/0")

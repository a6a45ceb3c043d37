"""Programs that attack their own report: it must stay bounded, valid and true."""

import os
import sys
import unittest

from support import ProgramCase


class HostileExceptions(ProgramCase):
    def test_deep_causes_are_cut(self):
        for link in ("__cause__", "__context__"):
            seen = self.raises(
                "e = ValueError(0)\n"
                "for n in range(1, 10**5):\n"
                "  new = ValueError(n)\n"
                f"  new.{link} = e\n"
                "  e = new\n"
                "raise e",
                "ValueError",
            )
            self.assertEqual(len(seen.exception["causes"]), 16)
            self.assertEqual(seen.exception["causes"][0]["message"], str(10**5 - 2))

    def test_cyclic_and_branching_causes_end(self):
        seen = self.raises(
            "a, b = ValueError('a'), ValueError('b')\na.__cause__ = b\nb.__cause__ = a\nraise a",
            "ValueError",
        )
        self.assertEqual([c["message"] for c in seen.exception["causes"]], ["b"])
        seen = self.raises(
            "def tree(n):\n"
            "  e = ValueError(n)\n"
            "  if n: e.__cause__, e.__context__ = tree(n - 1), tree(n - 1)\n"
            "  return e\n"
            "raise tree(13)",
            "ValueError",
        )
        self.assertLess(len(seen.raw), 100_000)

    def test_a_huge_message_is_cut(self):
        seen = self.raises("raise ValueError('x' * (64 << 20))", "ValueError")
        self.assertEqual(len(seen.exception["message"]), 64 * 1024)
        self.assertLessEqual(len(seen.exception["traceback"]), 64 * 1024 + 100)
        self.assertLess(len(seen.stderr), 70_000)

    def test_sixteen_huge_causes_fit_the_report(self):
        seen = self.raises(
            "e = None\nfor n in range(20):\n"
            "  new = ValueError('\\0' * 70_000)\n  new.__cause__ = e\n  e = new\nraise e",
            "ValueError",
        )
        self.assertLessEqual(len(seen.raw), 1 << 20)

    def test_str_that_raises_is_told_as_cpython_does(self):
        for body in ("raise KeyError", "raise SystemExit(0)", "return 5", "return self.__str__()"):
            seen = self.raises(
                f"class E(Exception):\n  def __str__(self): {body}\nraise E", "__main__.E"
            )
            self.assertEqual(seen.exception["message"], "<exception str() failed>")
            self.assertIn("<exception str() failed>", seen.exception["traceback"])

    def test_lies_about_types_are_not_believed(self):
        seen = self.raises(
            "class M(type):\n"
            "  __name__ = property(lambda c: 'SystemExit')\n"
            "  __module__ = property(lambda c: 1/0)\n"
            "class E(Exception, metaclass=M):\n"
            "  __class__ = property(lambda s: SystemExit)\n"
            "  __traceback__ = __cause__ = __context__ = property(lambda s: 1/0)\n"
            "  code = 0\n"
            "raise E('me')",
            "__main__.E",
        )
        self.assertEqual((seen.exception["message"], seen.status), ("me", 1))

    def test_system_exit_code_is_read_from_the_exception_itself(self):
        self.raises(
            "class E(SystemExit):\n  code = property(lambda s: 0)\nraise E(5)", "__main__.E"
        )
        self.raises(
            "class I(int):\n  __and__ = __index__ = __int__ = lambda *a: 0\nraise SystemExit(I(5))",
            "SystemExit",
        )

    def test_deep_recursion_keeps_both_ends(self):
        seen = self.raises(
            "import sys\nsys.setrecursionlimit(20_000)\n"
            "def f(n):\n  if n == 0: raise ValueError('deep')\n  f(n - 1)\n"
            "f(3000)",
            "ValueError",
        )
        frames = seen.exception["frames"]
        self.assertEqual((len(frames), frames[0]["line"], frames[-1]["line"]), (100, 6, 4))

    def test_huge_names_of_code_are_cut(self):
        seen = self.raises(
            "exec(compile('1/0', 'f' * 10**6, 'exec'))", "ZeroDivisionError"
        )
        self.assertLess(len(seen.raw), 200_000)

    def test_a_traceback_never_reads_a_fifo(self):
        self.raises(
            "import os\nos.mkfifo('pipe')\nexec(compile('1/0', 'pipe', 'exec'))",
            "ZeroDivisionError",
        )

    @unittest.skipIf(sys.version_info < (3, 11), "has no exception groups")
    def test_huge_groups_end(self):
        seen = self.raises(
            "raise ExceptionGroup('g', [ValueError(n) for n in range(10**5)])", "ExceptionGroup"
        )
        self.assertLess(len(seen.raw), 20_000)
        self.assertIn("ExceptionGroup: g (100000 sub-exceptions)", seen.exception["traceback"])


class HostileWorld(ProgramCase):
    def test_patched_modules_do_not_change_the_report(self):
        seen = self.raises(
            "import json, sys, traceback, linecache, builtins, os, io\n"
            "encoder = json.encoder.JSONEncoder\n"
            "for m in (json, json.encoder, traceback, linecache, io):\n"
            "  for n in list(vars(m)):\n"
            "    if n[:1] != '_': setattr(m, n, lambda *a, **k: 'FORGED')\n"
            "encoder.encode = encoder.iterencode = lambda *a: '{}'\n"
            "sys.excepthook = lambda *a: None\n"
            "sys.exit = lambda *a: None\n"
            "os._exit = os.write = os.getpid = lambda *a: 0\n"
            "sys.modules.clear()\n"
            "class W:\n"
            "  def write(self, s): return len(s)\n"
            "  def __getattr__(self, n): return lambda *a, **k: 'FORGED'\n"
            "sys.stdout = sys.stderr = W()\n"
            "def boom(): raise RuntimeError('real failure')\n"
            "keep = {'print', 'len', 'open', 'type', 'str', 'isinstance', 'issubclass', 'repr',\n"
            "        'getattr', 'hasattr', 'id', 'int', 'min', 'any', 'list', 'Exception'}\n"
            "for n in keep: setattr(builtins, n, lambda *a, **k: 'FORGED')\n"
            "boom()",
            "RuntimeError",
        )
        self.assertEqual(seen.exception["message"], "real failure")
        self.assertIn("RuntimeError: real failure", seen.exception["traceback"])
        self.assertEqual(len(seen.exception["frames"]), 2)
        self.assertNotIn(b'"FORGED"', seen.raw)

    def test_patched_builtins_do_not_change_a_value(self):
        seen = self.completes(
            "import builtins, sys\nbuiltins.repr = builtins.type = builtins.len = lambda *a: 1/0\n"
            "sys.modules.clear()\n[1, 'two']"
        )
        self.assertEqual(seen.value["json"], [1, "two"])

    def test_closed_and_missing_streams_do_no_harm(self):
        for source in [
            "import sys\nsys.stdout.close()\nsys.stderr.close()\n1/0",
            "import sys\nsys.stdout = sys.stderr = None\n1/0",
            "import sys\ndel sys.stdout, sys.stderr, sys.excepthook\n1/0",
            "import os\nprint('x', end='')\nos.close(0); os.close(1); os.close(2)\n1/0",
        ]:
            self.raises(source, "ZeroDivisionError")

    def test_without_the_report_descriptor_the_status_is_still_the_programs(self):
        seen = self.run_program("import os\nos.closerange(3, 100)\n5")
        self.assertEqual((seen.status, seen.raw, seen.stderr), (0, b"", b""))

    def test_exit_behind_our_back_leaves_no_report(self):
        for source, status in [
            ("import os\nos._exit(5)", 5),
            ("import os, atexit\natexit.register(os._exit, 3)\nraise RuntimeError", 3),
            ("import os\nos.kill(os.getpid(), 9)", -9),
        ]:
            seen = self.run_program(source)
            self.assertEqual((seen.status, seen.raw), (status, b""))

    def test_outer_frames_show_nothing(self):
        seen = self.completes(
            "import sys\n"
            "def look(f):\n"
            "  while f.f_back is not None:\n"
            "    f = f.f_back\n"
            "    for where in (f.f_locals, f.f_globals):\n"
            "      for name, thing in list(where.items()):\n"
            "        yield name, type(thing).__name__\n"
            "sorted({n for n, t in look(sys._getframe()) if t in ('Native', 'PyDLL', 'partial')"
            " and n[:2] != '__'})",
            files=[("marker", b"do-not-find")],
        )
        # `functools.partial` itself is a class; only instances would be of type `partial`.
        self.assertEqual(seen.value["json"], [])

    def test_trace_functions_and_timers_do_not_reach_the_report(self):
        self.completes("import sys\ndef t(*a): raise KeyError\nsys.setprofile(lambda *a: None)\n"
                       "sys.settrace(t)")
        self.completes(
            "import signal\ndef ring(*a): raise KeyError\nsignal.signal(signal.SIGALRM, ring)\n"
            "class R:\n  def __repr__(self):\n"
            "    signal.setitimer(signal.ITIMER_REAL, 1e-3, 1e-3)\n"
            "    while True: pass\nR()"
        )

    def test_recursion_limit_of_the_program_is_undone(self):
        self.raises(
            "import sys\ndef f():\n  try: f()\n  except RecursionError: raise ValueError('r')\n"
            "sys.setrecursionlimit(120)\nf()",
            "ValueError",
        )


class Zygote(ProgramCase):
    def test_a_missing_module_is_one_sentence(self):
        seen = self.run_program("1", preload="json,no_such_module")
        self.assertEqual((seen.status, seen.raw), (1, b""))
        self.assertEqual(seen.stderr.count(b"\n"), 1)
        self.assertIn(b"no_such_module", seen.stderr)

    def test_an_open_descriptor_or_a_thread_is_refused(self):
        for body, told in [
            ("file = open('/dev/null')", b"left descriptors [4] open"),
            ("import threading as t\nt.Thread(target=t.Event().wait, daemon=True).start()",
             b"started 1 threads"),
        ]:
            seen = self.run_program("1", preload="hognose_preload", module=body)
            self.assertEqual((seen.status, seen.raw), (1, b""))
            self.assertEqual(seen.stderr.count(b"\n"), 1)
            self.assertIn(told, seen.stderr)

    def test_our_modules_cannot_be_imported(self):
        self.raises("import runner", "ModuleNotFoundError")
        self.raises("import private", "ModuleNotFoundError")


def _has(module: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(module) is not None


class Libraries(ProgramCase):
    @unittest.skipUnless(_has("numpy"), "numpy is not installed")
    def test_numpy_scalars_are_json_and_states_differ(self):
        seen = self.completes(
            "import numpy as n\n[n.int64(3), n.float32(.5), n.bool_(1), n.str_('s')]",
            preload="numpy",
        )
        self.assertEqual(seen.value["json"], [3, 0.5, True, "s"])
        source = "import numpy as n\nfloat(n.random.random())"
        first, second = (self.completes(source, preload="numpy").value for _ in range(2))
        self.assertNotEqual(first["json"], second["json"])
        seen = self.completes("import numpy as n\nn.datetime64(1, 'ns')", preload="numpy")
        self.assertNotIn("json", seen.value)

    @unittest.skipUnless(_has("matplotlib"), "matplotlib is not installed")
    def test_open_figures_are_saved_beside_existing_files(self):
        source = (
            "import matplotlib.pyplot as plt\nopen('output/figure-1.png', 'w').write('mine')\n"
            "plt.plot([1, 2])\nplt.show()\nplt.figure()\nplt.figure()\nplt.close()\n"
        )
        for preload in ("", "matplotlib.pyplot"):
            for last in ("", "raise SystemExit(2)"):
                seen = self.run_program(source + last, preload=preload)
                self.assertEqual((seen.status, seen.stderr), (2 if last else 0, b""))
                output = seen.folder + "/code/output"
                names = ["figure-1.png", "figure-2.png", "figure-3.png"]
                self.assertEqual(sorted(os.listdir(output)), names)
                with open(output + "/figure-1.png") as file:
                    self.assertEqual(file.read(), "mine")
                with open(output + "/figure-2.png", "rb") as file:
                    self.assertEqual(file.read(4), b"\x89PNG")

    @unittest.skipUnless(_has("sklearn") and _has("seaborn"), "the full stack is not installed")
    def test_the_full_preload_is_accepted(self):
        preload = "numpy,pandas,scipy,sklearn,matplotlib.pyplot,seaborn"
        seen = self.completes(
            "import pandas as p\nlen(p.DataFrame({'a': [1, 2]}))", preload=preload
        )
        self.assertEqual(seen.value["json"], 2)


if __name__ == "__main__":
    unittest.main()

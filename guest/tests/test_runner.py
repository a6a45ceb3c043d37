"""What an honest program sees of its world, and what the host learns of its end."""

import os
import subprocess
import sys
import unittest

from support import ProgramCase


class Values(ProgramCase):
    def check(self, expression, shown, plain="absent", why=None):
        value = self.completes(expression).value
        self.assertEqual(value["repr"], shown)
        self.assertIsNone(value["error"])
        self.assertEqual(value.get("json", "absent"), plain)
        self.assertEqual(value.get("not_json"), why)

    def test_last_expression_is_the_value(self):
        self.check("x = 20\nx + 1", "21", 21)
        self.check("x = 1", None)
        self.check("1\nNone", None)
        self.check("'''only text'''", "'only text'", "only text")
        self.check("from __future__ import annotations\ndef f(a: nope): pass\n3", "3", 3)

    def test_only_exact_json_types_are_json(self):
        self.check("{'a': [1, 2.5, True, None, 'é']}", "{'a': [1, 2.5, True, None, 'é']}",
                   {"a": [1, 2.5, True, None, "é"]})
        self.check("(1, [(2,)])", "(1, [(2,)])", [1, [[2]]])
        for expression, shown, why in [
            ("{1: 2}", "{1: 2}", "a key of the type `int`"),
            ("[{2}]", "[{2}]", "a value of the type `set`"),
            ("float('nan')", "nan", "the number `nan`"),
            ("[float('-inf')]", "[-inf]", "the number `-inf`"),
            ("2**70", str(2**70), "an integer of more than 64 bits"),
            ("class I(int): pass\n[I(3)]", "[3]", "a value of the type `I`"),
            ("['\\ud800']", "['\\ud800']", "a text with a lone surrogate"),
        ]:
            self.check(expression, shown, why="it has " + why)

    def test_json_is_bounded_in_depth_and_size(self):
        deep = "x = 1\nfor _ in range({}): x = [x]\nx"
        self.assertIn("json", self.completes(deep.format(64)).value)
        for source in (deep.format(65), "x = []\nx.append(x)\nx"):
            value = self.completes(source).value
            self.assertNotIn("json", value)
            self.assertEqual(value["not_json"], "it is nested deeper than 64 levels")
        self.assertIn("json", self.completes("'a' * 250_000").value)
        self.assertNotIn("json", self.completes("'a' * 270_000").value)
        value = self.completes("'\\0' * 100_000").value
        self.assertEqual(value["not_json"], "it takes more than 262144 bytes")

    def test_repr_is_cut_and_of_huge_containers_only_a_prefix_is_made(self):
        for source, start in [
            ("list(range(10**6))", "[0, 1, 2"),
            ("dict.fromkeys(range(10**6))", "{0: None, 1"),
            ("'x' * 10**7", "'xxx"),
            ("['é' * 100_000]", "['ééé"),
        ]:
            shown = self.completes(source).value["repr"]
            self.assertTrue(shown.startswith(start), shown[:20])
            self.assertGreater(len(shown.encode()), 64 * 1024 - 4)
            self.assertLessEqual(len(shown.encode()), 64 * 1024)

    def test_hostile_repr_is_an_error_of_the_value(self):
        for body, told in [
            ("raise ValueError('no')", "ValueError: no"),
            ("raise SystemExit(3)", "SystemExit: 3"),
            ("return 5", "TypeError"),
            ("return self.__repr__()", "RecursionError"),
        ]:
            value = self.completes(f"class C:\n  def __repr__(self): {body}\nC()").value
            self.assertIsNone(value["repr"])
            self.assertIn(told, value["error"])


class Exceptions(ProgramCase):
    def test_frames_are_the_users_with_their_lines(self):
        source = "import json\n\ndef f(n):\n    return 1 / n\n\nf(0)\n"
        seen = self.raises(source, "ZeroDivisionError")
        self.assertEqual(seen.exception["message"], "division by zero")
        self.assertEqual(
            seen.exception["frames"],
            [
                {"file": seen.main, "line": 6, "function": "<module>", "source": "f(0)"},
                {"file": seen.main, "line": 4, "function": "f", "source": "    return 1 / n"},
            ],
        )
        self.assertNotIn("runner.py", seen.exception["traceback"])
        self.assertEqual(seen.stderr.decode(), seen.exception["traceback"])

    @unittest.skipIf(sys.version_info < (3, 11), "prints suggestions and names by other code")
    def test_traceback_is_what_the_interpreter_prints(self):
        for source in [
            "def f():\n  raise KeyError('k')\n"
            "try:\n  f()\nexcept KeyError as e:\n  raise OSError(2, 'x') from e",
            "try:\n  1/0\nexcept Exception:\n  {}['a']",
            "class A(Exception): pass\nraise A('text')",
            "x = (1 +\n",
            "def f():\n    return\n  x = 1",
            "return 5",
            "import json\njson.loads('{')",
            "e = ValueError('v')\ne.add_note('a note')\nraise e",
            "raise ExceptionGroup('g', [ValueError(1), TypeError(2)])",
            "assert 1 == 2, 'no'",
        ]:
            with self.subTest(source=source):
                seen = self.run_program(source)
                with open(seen.folder + "/plain.py", "w") as file:
                    file.write(source)
                plain = subprocess.run(
                    [sys.executable, "-I", "plain.py"],
                    cwd=seen.folder, stderr=subprocess.PIPE, timeout=60,
                )
                expected = plain.stderr.decode().replace(f"{seen.folder}/plain.py", seen.main)
                self.assertEqual(seen.exception["traceback"], expected)
                self.assertEqual(seen.stderr.decode(), expected)

    def test_compile_errors_have_one_frame_at_the_wrong_line(self):
        for source, kinds, line, text in [
            ("a = 1\nb = = 2\n", ["SyntaxError"], 2, "b = = 2"),
            ("a = 1\nreturn a\n", ["SyntaxError"], 2, "return a"),
            ("a = 1\n  b = 2\n", ["IndentationError"], 2, "  b = 2"),
            ("a = 1\nb = '\0'\n", ["ValueError", "SyntaxError"], None, None),
            ("-" * 100_000 + "1", ["MemoryError", "RecursionError", "SyntaxError"], 1, None),
            (b"a = 1\nb = '\xff'\n", ["UnicodeDecodeError"], 2, "b = '\ufffd'"),
        ]:
            with self.subTest(source=source[:20]):
                seen = self.run_program(source)
                self.assertEqual(seen.status, 1, seen.stderr)
                self.assertIn(seen.exception["type"], kinds)
                (frame,) = seen.exception["frames"]
                self.assertEqual((frame["file"], frame["function"]), (seen.main, "<module>"))
                if line is not None:
                    self.assertEqual(frame["line"], line)
                if text is not None:
                    self.assertEqual(frame["source"], text)

    def test_causes_follow_cause_then_context_unless_suppressed(self):
        inner = "try:\n  {}['k']\nexcept KeyError as e:\n  "
        seen = self.raises(inner + "raise OSError('o') from e", "OSError")
        self.assertEqual([c["type"] for c in seen.exception["causes"]], ["KeyError"])
        self.assertEqual(seen.exception["causes"][0]["frames"][0]["line"], 2)
        seen = self.raises(inner + "raise OSError('o')", "OSError")
        self.assertEqual([c["type"] for c in seen.exception["causes"]], ["KeyError"])
        seen = self.raises(inner + "raise OSError('o') from None", "OSError")
        self.assertEqual(seen.exception["causes"], [])

    def test_types_are_qualified(self):
        self.raises("import json\njson.loads('{')", "json.decoder.JSONDecodeError")
        self.raises("class A:\n  class B(Exception): pass\nraise A.B", "__main__.A.B")
        self.raises("raise KeyboardInterrupt", "KeyboardInterrupt")

    def test_source_lines_outlive_the_file(self):
        source = "import os\nos.remove(__file__)\nraise ValueError('gone')"
        seen = self.raises(source, "ValueError")
        self.assertEqual(seen.exception["frames"][0]["source"], "raise ValueError('gone')")
        self.assertIn("    raise ValueError('gone')\n", seen.exception["traceback"])

    def test_system_exit_is_a_status(self):
        for argument in ["", "None", "0", "False", "256"]:
            seen = self.completes(f"import sys\n5\nsys.exit({argument})")
            self.assertEqual(seen.value, {"repr": None, "error": None})
        for argument, status in [("3", 3), ("-1", 255), ("True", 1), ("10**30 + 7", 7)]:
            seen = self.raises(f"import sys\nsys.exit({argument})", "SystemExit")
            self.assertEqual((seen.status, seen.stderr), (status, b""))
        seen = self.raises("raise SystemExit('told')", "SystemExit")
        self.assertEqual((seen.status, seen.stderr), (1, b"told\n"))


class World(ProgramCase):
    def test_files_are_found_in_both_places(self):
        files = [("data.csv", b"a,b\n"), ("main.py", b"x"), ("output", b"y"), ("empty", b"")]
        seen = self.completes(
            "import os\n[open(p).read() for p in ('data.csv', 'input/data.csv', 'input/main.py',"
            " 'input/output', 'empty')] + [os.path.isdir('output'), open('main.py').read()[:6]]",
            files=files,
        )
        expected = ["a,b\n", "a,b\n", "x", "y", "", True, "import"]
        self.assertEqual(seen.value["json"], expected)

    def test_environment_is_the_fixed_one(self):
        seen = self.completes("import os\ndict(os.environ)")
        variables = seen.value["json"]
        self.assertEqual(variables["PATH"], "/environment/bin:/usr/bin:/bin")
        self.assertEqual(variables["OMP_NUM_THREADS"], "1")
        for name in variables:
            self.assertNotRegex(name, "KEY|TOKEN|SECRET|PASS|CRED|AUTH")

    def test_sys_and_main_look_like_a_script(self):
        seen = self.completes(
            "import sys, builtins\nimport __main__\n"
            "[sys.argv[1:], sys.path[0] + '/main.py' == __file__ == sys.argv[0],"
            " __name__, __main__.__dict__ is globals(), __builtins__ is builtins]",
            args=["one", "-t"],
        )
        self.assertEqual(seen.value["json"], [["one", "-t"], True, "__main__", True, True])

    def test_coding_cookie_and_byte_order_mark_have_no_effect(self):
        source = b"\xef\xbb\xbf# coding: latin-1\n'\xc3\xa9'"
        self.assertEqual(self.completes(source).value["json"], "é")

    def test_only_the_descriptors_0_to_3_are_open(self):
        seen = self.completes("import os\n[os.path.exists(f'/proc/self/fd/{n}') for n in range(5)]")
        self.assertEqual(seen.value["json"], [True] * 4 + [False])

    def test_streams_are_utf8_and_flushed(self):
        seen = self.completes(
            "import sys\nprint(input())\nprint('中\\udcff', end='')\n"
            "print('中\\ud800', end='', file=sys.stderr)",
            stdin="é\n".encode(),
        )
        self.assertEqual(seen.stdout, "é\n中".encode() + b"\xff")
        self.assertEqual(seen.stderr, "中\\ud800".encode())

    def test_threads_and_exit_functions_run_before_the_report(self):
        seen = self.completes(
            "import atexit, threading, time\natexit.register(print, 'exit')\n"
            "threading.Thread(target=lambda: (time.sleep(0.2), print('thread'))).start()"
        )
        self.assertEqual(seen.stdout, b"thread\nexit\n")

    def test_random_states_differ_between_programs(self):
        source = "import random, tempfile, os\n[random.random(), tempfile.mktemp(dir='')]"
        first, second = (self.completes(source).value["json"] for _ in range(2))
        self.assertTrue(all(a != b for a, b in zip(first, second)))

    def test_a_warning_of_the_source_is_printed_once(self):
        seen = self.completes("x = 1 is 1\nx")
        self.assertEqual(seen.stderr.count(b"SyntaxWarning"), 1)

    def test_excepthook_of_the_program_is_called(self):
        seen = self.raises(
            "import sys\n"
            "sys.excepthook = lambda t, e, tb: print('hook', t.__name__, tb.tb_lineno)\n"
            "raise ValueError('v')",
            "ValueError",
        )
        self.assertEqual((seen.stdout, seen.stderr), (b"hook ValueError 3\n", b""))

    def test_matplotlib_files_are_linked(self):
        seen = self.completes(
            "import os\nos.listdir(os.environ['MPLCONFIGDIR'])", share="fontlist-v390.json"
        )
        self.assertEqual(seen.value["json"], ["fontlist-v390.json"])

    def test_multiprocessing_and_fork_leave_one_report(self):
        seen = self.completes(
            "import os, multiprocessing as mp\n"
            "with mp.get_context('fork').Pool(2) as p: print(p.map(abs, [-1, 2]))\n"
            "pid = os.fork()\n"
            "if pid: os.waitpid(pid, 0)\n"
            "'parent' if pid else 'child'"
        )
        self.assertEqual(seen.value["json"], "parent")

    def test_a_broken_request_ends_with_status_70(self):
        seen = self.run_program("1", files=[("a", b""), ("a/b", b"")])
        self.assertEqual((seen.status, seen.raw), (70, b""))
        self.assertIn(b"cannot start the program", seen.stderr)


if __name__ == "__main__":
    unittest.main()

"""The two ways to compile a program give the same code."""

import os
import sys
import traceback
import unittest
import warnings

from support import HERE

sys.path.insert(0, os.path.dirname(HERE))
import program

# The mark stands where the host would say that the last expression begins.
MARK = "\N{SECTION SIGN}"
SOURCES = (
    "",
    "# nothing",
    "§1 + 1",
    "§'doc'",
    "x = 1",
    "x = 1\n§x",
    "x = 1; §x",
    "x = 1;   §x  # why",
    "x = 1\r\n§x\r\n",
    "x = 1\r§x",
    "x = [\n 1,\n 2]\n\n\n§(\n  len(x)\n + 1)\n# end\n",
    "é = '中'; §é",
    "\ufeffx = 2\n§x",
    "\ufeff§2",
    "x = 3\n§x, x + 1",
    "§*[1, 2], 3",
    "§lambda: 1 / 0",
    "def f():\n  return 1 / 0\n§f()",
    "x = 0\n\n§print(\n  [1,\n   2][x]\n  / x)",
    "x = '中'; §1 / 0",
    "from __future__ import annotations\n§'x'",
    "if True:\n  3",
    "x = 1\n§x\\\n.real",
    "x = 1\n§'''a\nb'''",
    "x = 1\n§[y for y in range(3)]",
    "x = 1\n§(y := 2)",
    "x = 1\n§f'{x}'",
    "assert 1; §None",
)


def marked(text: str) -> tuple:
    """The source, and the place of its last expression."""
    head, _, tail = text.partition(MARK)
    return (head + tail).encode(), len(head.encode())


def outcome(codes: tuple) -> list:
    """The value's `repr`, or the traceback as text."""
    code, expression = codes
    namespace = {}
    try:
        exec(code, namespace)
        value = eval(expression, namespace) if expression is not None else None
        return [type(value).__name__, value if not callable(value) else callable(value)]
    except Exception:
        return traceback.format_exc().splitlines()[1:]


class Places(unittest.TestCase):
    def test_both_ways_end_alike(self):
        for source in SOURCES:
            for text in (source, "\n\n" + source if source[:1] != "\ufeff" else source):
                with self.subTest(source=text):
                    content, place = marked(text)
                    slow = program.compile_source(program.decode(content))
                    fast = program.compile_at(content, place)
                    self.assertEqual(fast[1] is None, slow[1] is None)
                    self.assertEqual(outcome(fast), outcome(slow))

    def test_code_stands_where_it_stood(self):
        content, place = marked("x = 1\ny = '中'; §[x,\n  x][\n 0]")
        slow = program.compile_source(content.decode())
        fast = program.compile_at(content, place)
        for one, other in zip(fast, slow):
            if sys.version_info >= (3, 11):
                # The first entry belongs to no source text.
                self.assertEqual(list(one.co_positions())[1:], list(other.co_positions())[1:])

    def test_an_error_of_the_compiler_has_no_other_behind_it(self):
        deep = "(" * 5000 + ")" * 5000
        for source in ("return 1", "x = 1\nbreak", "1 +", "def f(:", deep):
            for place in (len(source), 0, program.UNKNOWN):
                with self.subTest(source=source[:20], place=place), warnings.catch_warnings():
                    with self.assertRaises((SyntaxError, RecursionError, MemoryError)) as seen:
                        program.compile_at(source.encode(), place)
                    self.assertIsNone(seen.exception.__context__)

    def test_what_the_host_got_wrong_is_compiled_the_slow_way(self):
        for source, place in (("1 +", 0), ("x = (\n", 6), ("yield 1", 0), ("x = 1", program.UNKNOWN)):
            with self.subTest(source=source), warnings.catch_warnings():
                try:
                    expected = program.compile_source(source)
                except SyntaxError as error:
                    with self.assertRaises(SyntaxError) as seen:
                        program.compile_at(source.encode(), place)
                    self.assertEqual(seen.exception.args, error.args)
                else:
                    self.assertEqual(outcome(program.compile_at(source.encode(), place)), outcome(expected))


if __name__ == "__main__":
    unittest.main()

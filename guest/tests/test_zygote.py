"""What a zygote prepares for its forks: recorded hooks, renewed randomness, rehearsals."""

import json
import os
import subprocess
import sys
import unittest

from support import HERE, ProgramCase

GUEST = os.path.dirname(HERE)


def _has(module):
    import importlib.util

    return importlib.util.find_spec(module) is not None


def run(source, *options):
    """The JSON that `source` prints in an interpreter that finds our modules."""
    path = f"import sys\nsys.path.insert(0, {GUEST!r})\n"
    done = subprocess.run(
        [sys.executable, "-I", "-B", *options, "-c", path + source],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
    )
    if done.returncode != 0:
        raise AssertionError(done.stderr.decode())
    return json.loads(done.stdout)


class Hooks(unittest.TestCase):
    def test_nothing_registers_before_the_recorder_is_there(self):
        # -S: what `site` loads is the environment's doing, and ours has no .pth files.
        source = (
            "import json, os\ncalls = []\n"
            "os.register_at_fork = lambda **hooks: calls.append(sorted(hooks))\n"
            "import ctypes, functools, gc, importlib, private\n"
            "print(json.dumps([calls, sorted({'threading', 'random', 'logging'} & set(sys.modules))]))"
        )
        self.assertEqual(run(source, "-S"), [[], []])

    def test_hooks_are_recorded_then_registered_for_the_programs_own_forks(self):
        source = (
            "import json, os, posix, hooks\nhooks.install()\n"
            "import random, threading, concurrent.futures.thread\n"
            "told = []\n"
            "os.register_at_fork(before=lambda: told.append('before'),"
            " after_in_parent=lambda: told.append('parent'), after_in_child=lambda: told.append('c'))\n"
            "hooks.stop_recording(); hooks.rehearse()\nassert told == []\n"
            "hooks.restore()\n"
            "assert os.register_at_fork is posix.register_at_fork\n"
            "late = list(told); told.clear()\n"
            "reader, writer = os.pipe()\nrandom.seed(1)\npid = os.fork()\n"
            "if pid == 0:\n"
            "  os.write(writer, json.dumps([told, random.random()]).encode()); os._exit(0)\n"
            "os.waitpid(pid, 0)\nchild, number = json.loads(os.read(reader, 1000))\n"
            "print(json.dumps([late, told, child, number != random.random()]))"
        )
        # A stranger's hooks run once, late, in our child; `random` and the others do not.
        expected = [["before", "c"], ["before", "parent"], ["before", "c"], True]
        self.assertEqual(run(source, "-S"), expected)

    def test_recorded_hooks_run_in_cpythons_order_and_one_that_fails_stops_no_other(self):
        source = (
            "import json, os, sys, hooks\nhooks.install()\ntold = []\n"
            "def tell(word): return lambda: told.append(word)\n"
            "def fail(): raise ValueError('hook')\n"
            "sys.unraisablehook = lambda seen: told.append(str(seen.exc_value))\n"
            "for name in 'ab':\n"
            "  os.register_at_fork(before=tell(name + '1'), after_in_parent=tell(name + '2'))\n"
            "os.register_at_fork(after_in_parent=fail)\n"
            "hooks.stop_recording(); hooks.restore(); told.clear()\n"
            "os.register_at_fork(before=tell('mine1'), after_in_parent=tell('mine2'))\n"
            "pid = os.fork()\n"
            "if pid == 0: os._exit(0)\n"
            "os.waitpid(pid, 0)\nprint(json.dumps(told))"
        )
        expected = ["mine1", "b1", "a1", "a2", "b2", "hook", "mine2"]
        self.assertEqual(run(source, "-S"), expected)

    def test_wrong_hooks_are_refused_as_ever(self):
        source = (
            "import json, os, hooks\nhooks.install()\ntold = []\n"
            "for arguments in ({}, {'before': None}, {'after': print}):\n"
            "  try: os.register_at_fork(**arguments)\n"
            "  except TypeError: told.append(len(hooks._recorded))\n"
            "print(json.dumps(told))"
        )
        self.assertEqual(run(source, "-S"), [0, 0, 0])

    def test_a_module_that_kept_the_recorder_gets_the_function_back(self):
        source = (
            "import json, os, posix, types, hooks\nhooks.install()\n"
            "module = types.ModuleType('keeper')\nmodule.keep = os.register_at_fork\n"
            "sys.modules['keeper'] = module\nhooks.stop_recording()\n"
            "print(json.dumps(module.keep is posix.register_at_fork))"
        )
        self.assertTrue(run(source, "-S"))

    def test_the_main_threads_native_number_is_the_childs(self):
        source = (
            "import json, os, threading, hooks\nhooks.install()\nhooks.stop_recording()\n"
            "told = [threading.main_thread().native_id == hooks.CHILDS_NUMBER]\nhooks.restore()\n"
            "print(json.dumps([*told, threading.main_thread().native_id == os.getpid()]))"
        )
        self.assertEqual(run(source, "-S"), [True, True])


# Two forks of one process renew their states, the memory as native code does; each tells what it
# then draws.
_SIBLINGS = (
    "import ctypes, json, os, randomness\n{make}\nplaces = []\n"
    "randomness.find(lambda *place: places.append(place))\n"
    "def sibling():\n"
    "  reader, writer = os.pipe()\n"
    "  pid = os.fork()\n"
    "  if pid == 0:\n"
    "    {before}\n"
    "    for address, length in places: ctypes.memmove(address, os.urandom(length), length)\n"
    "    randomness.renew()\n"
    "    os.write(writer, json.dumps({draw}).encode()); os._exit(0)\n"
    "  os.waitpid(pid, 0)\n"
    "  return json.loads(os.read(reader, 10000))\n"
    "print(json.dumps([sibling(), sibling()]))"
)


class Randomness(unittest.TestCase):
    def siblings(self, make, draw, before="pass"):
        return run(_SIBLINGS.format(make=make, draw=draw, before=before))

    def differ(self, make, draw, before="pass"):
        one, other = self.siblings(make, draw, before)
        for first, second in zip(one, other):
            self.assertNotEqual(first, second)

    def test_generators_of_random_differ(self):
        self.differ("import random\nr = random.Random()", "[random.random(), r.random()]")

    def test_temporary_names_differ(self):
        self.differ(
            "import tempfile\nnext(tempfile._get_candidate_names())",
            "[next(tempfile._get_candidate_names())]",
        )

    def test_node_numbers_are_asked_anew(self):
        one, other = self.siblings(
            "import uuid\nuuid._node = uuid._last_timestamp = 1", "[uuid._node, uuid._last_timestamp]"
        )
        self.assertEqual((one, other), ([None, None], [None, None]))

    def test_process_keys_differ(self):
        self.differ(
            "import multiprocessing as m", "[bytes(m.current_process().authkey).hex()]"
        )

    def test_openssl_differs_even_where_the_process_number_does_not(self):
        # The second sibling is told that it has the zygote's number; the renewal must not fail.
        self.differ(
            "import ssl\nssl.RAND_bytes(1)",
            "[ssl.RAND_bytes(8).hex()]",
            "randomness._zygote = os.getpid()",
        )

    @unittest.skipUnless(_has("numpy"), "numpy is not installed")
    def test_generators_of_numpy_differ_and_so_do_those_spawned_from_them(self):
        self.differ(
            "import numpy as n\nr = n.random\ng, s, b = r.default_rng(), r.RandomState(), r.PCG64()",
            "[r.random(), g.random(), s.random_sample(), n.random.Generator(b).random(),"
            " r.default_rng(g.bit_generator.seed_seq.spawn(1)[0]).random()]",
        )

    @unittest.skipUnless(_has("numpy"), "numpy is not installed")
    def test_numpy_generators_with_a_chosen_seed_keep_their_state(self):
        one, other = self.siblings(
            "import numpy as n\nr = n.random\ng, s = r.default_rng(7), r.RandomState(7)",
            "[g.random(), s.random_sample()]",
        )
        self.assertEqual(one, other)


class Endings(ProgramCase):
    def test_exit_functions_of_the_preload_run_where_they_are_needed_and_after_the_programs(self):
        seen = self.completes(
            "import atexit, logging, multiprocessing.util as u, threading, time\n"
            "class Late(logging.Handler):\n"
            "  def flush(self): print('flushed', flush=True)\n"
            "logging.getLogger().addHandler(Late())\n"
            "u.Finalize(None, print, args=('finalized',), exitpriority=1)\n"
            "atexit.register(print, 'mine')\n"
            "threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()\n",
            preload="logging,multiprocessing.util",
        )
        told = seen.stdout.decode().split()
        self.assertEqual(told[:2], ["thread", "mine"])
        self.assertEqual(told[2], "finalized")
        self.assertIn("flushed", told[3:])

    def test_what_the_program_never_used_is_not_run(self):
        seen = self.completes(
            "import atexit, multiprocessing.util as u\natexit.register(print, 'mine')\n"
            "u._run_finalizers = lambda *a: print('needless')",
            preload="multiprocessing.util",
        )
        self.assertEqual(seen.stdout, b"mine\n")


class Rehearsals(ProgramCase):
    def test_rehearsals_leave_no_trace(self):
        seen = self.completes(
            "import sys, os, linecache, tempfile\n"
            "[os.listdir(tempfile.gettempdir()), os.listdir('.'), sorted(linecache.cache),"
            " sys.argv, sys.path.count(os.getcwd()), sys.getrecursionlimit(), 'rehearsal' in sys.modules]"
        )
        found = seen.value["json"]
        folder = seen.folder + "/code"
        self.assertEqual(sorted(found[1]), ["input", "main.py", "output"])
        self.assertEqual(found[2:], [[], [seen.main], 1, 1000, False])
        self.assertNotIn("rehearsal", found[0])
        self.assertEqual(seen.stdout, b"")
        self.assertTrue(os.path.isdir(folder))

    def test_variables_and_limits_of_a_preload_are_taken_back_and_kept(self):
        seen = self.completes(
            "import os, sys\n['PLANTED' in os.environ, sys.getrecursionlimit()]",
            preload="hognose_preload",
            module="import os, sys\nos.environ['PLANTED'] = '1'\nsys.setrecursionlimit(1234)",
        )
        self.assertEqual(seen.value["json"], [False, 1234])


if __name__ == "__main__":
    unittest.main()

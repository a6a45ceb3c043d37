"""Starts `harness.py` for one program and hands back what a host would see."""

import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))


class Seen:
    """The end of one program: its status, streams, report and folder."""

    def __init__(self, folder: str, done: subprocess.CompletedProcess) -> None:
        self.folder = folder
        self.status = done.returncode
        self.stdout, self.stderr = done.stdout, done.stderr
        try:
            with open(folder + "/report", "rb") as file:
                self.raw = file.read()
        except FileNotFoundError:
            self.raw = b""
        self.report = json.loads(self.raw) if self.raw else None

    @property
    def value(self) -> dict:
        return self.report["value"]

    @property
    def exception(self) -> dict:
        return self.report["exception"]

    @property
    def main(self) -> str:
        return self.folder + "/code/main.py"


class ProgramCase(unittest.TestCase):
    """A test that runs programs."""

    def run_program(
        self, source, args=(), files=(), preload="", stdin=b"", share=None, module="", place=2**32 - 1
    ) -> Seen:
        """Runs `source`; `module` is the text of the importable `hognose_preload`, and `place` is
        where the host says that the last expression begins."""
        folder = tempfile.mkdtemp(prefix="guest-test-")
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        for name in ("code", "tmp"):
            os.mkdir(f"{folder}/{name}")
        if share is not None:
            os.makedirs(folder + "/environment/share/matplotlib")
            with open(f"{folder}/environment/share/matplotlib/{share}", "w"):
                pass
        with open(folder + "/hognose_preload.py", "w") as file:
            file.write(module)
        content = source if isinstance(source, bytes) else source.encode()
        head = struct.pack("<IIII", len(content), len(args), len(files), place)
        for arg in args:
            head += struct.pack("<I", len(arg.encode())) + arg.encode()
        for name, data in files:
            head += struct.pack("<IQ", len(name.encode()), len(data)) + name.encode()
        with open(folder + "/request", "wb") as file:
            file.write(head + content)
            file.writelines(data for _, data in files)
        environment = {"PATH": os.environ["PATH"], "FAKE_API_KEY": "k", "DB_PASSWORD": "p"}
        done = subprocess.run(
            [sys.executable, "-I", "-B", HERE + "/harness.py", folder, preload],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            timeout=120,
        )
        return Seen(folder, done)

    def raises(self, source, kind, **options) -> Seen:
        """Runs a program that must end by an exception of type `kind`."""
        seen = self.run_program(source, **options)
        self.assertEqual(seen.report and seen.report["end"], "raised", seen.stderr.decode())
        self.assertEqual(seen.exception["type"], kind)
        self.assertEqual(seen.status, seen.exception["exit_status"] or 1)
        return seen

    def completes(self, source, **options) -> Seen:
        """Runs a program that must run to its end."""
        seen = self.run_program(source, **options)
        self.assertEqual(seen.report and seen.report["end"], "completed", seen.stderr.decode())
        self.assertEqual(seen.status, 0)
        return seen

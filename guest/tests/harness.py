"""Runs one program as a zygote's child would, with files for the report and a folder for `/code`.

Arguments: a folder with `request`, and the preload. Writes the report to `report` in that folder,
through descriptor 3.
"""

import importlib.util
import os
import struct
import sys
from posix import write

FOLDER = sys.argv[1]
GUEST = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Native:
    """Stands for the native library; the program runs in this very process."""

    @staticmethod
    def hognose_prepare():
        layout = sys._getframe(1).f_locals["runner"].layout
        layout.CODE, layout.TMP = FOLDER + "/code", FOLDER + "/tmp"
        layout.VARIABLES["MPLCONFIGDIR"] = layout.matplotlib_directory()
        layout.ENVIRONMENT = FOLDER + "/environment"
        return 0

    @staticmethod
    def hognose_lay_densely(longest):
        return 0

    @staticmethod
    def hognose_renew_memory(address, length):
        return 0

    @staticmethod
    def hognose_offer(target, name):
        if target is None:
            os.mkdir(name)
        else:
            os.symlink(target, name)
        return 0

    @staticmethod
    def hognose_fill_holes():
        return 0

    @staticmethod
    def hognose_snapshot():
        return 0

    @staticmethod
    def hognose_rehearse():
        return 0

    @staticmethod
    def hognose_serve():
        os.chdir(FOLDER + "/code")
        for name in ("input", "output"):
            os.mkdir(name)
        with open("main.py", "xb"):
            pass
        for number, path, flags in (
            (3, "report", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            (4, "request", os.O_RDONLY),
        ):
            opened = os.open(f"{FOLDER}/{path}", flags, 0o600)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
        return 0

    @staticmethod
    def hognose_await_lease(room, size):
        counts = os.read(4, 16)
        length, args, files, place = struct.unpack("<IIII", counts)
        if args or files or length > size:
            room[:16] = counts
            return -1
        source = b""
        while len(source) < length:
            source += os.read(4, length - len(source))
        os.close(4)
        room[:length] = source
        with open("main.py", "wb") as file:
            file.write(source)
        return place << 32 | length

    @staticmethod
    def hognose_report(content, length):
        try:
            return 0 if not length or write(3, content) == length else -1
        except OSError:
            return -1


spec = importlib.util.spec_from_file_location("zygote", GUEST + "/zygote.py")
zygote = importlib.util.module_from_spec(spec)
spec.loader.exec_module(zygote)
sys.path.append(FOLDER)  # For a preload that the test wrote.
# The place of the control socket: what a preload opens must not get its number.
os.dup2(2, 3)
sys.argv = ["zygote.py", sys.argv[2]]
zygote.main(Native())

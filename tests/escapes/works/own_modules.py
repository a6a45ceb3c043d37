# Attempts: nothing hostile: writes modules, imports them, reloads them, imports from an archive.
# Expect: completed works
import builtins
import importlib
import importlib.metadata
import importlib.resources
import os
import pkgutil
import runpy
import sys
import types
import zipfile

os.makedirs("package/inner")
open("package/__init__.py", "w").write("from . import part\nVALUE = part.VALUE + 1\n")
open("package/part.py", "w").write("VALUE = 1\n")
open("package/inner/__init__.py", "w").write("from ..part import VALUE\n")
open("package/data.txt", "w").write("data")
importlib.invalidate_caches()
import package
import package.inner

assert (package.VALUE, package.inner.VALUE) == (2, 1)
assert sorted(item.name for item in pkgutil.iter_modules(package.__path__)) == ["inner", "part"]
open("package/part.py", "w").write("VALUE = 41  # longer\n")
importlib.reload(package.part)
assert importlib.reload(package).VALUE == 42
assert importlib.resources.files(package).joinpath("data.txt").read_text() == "data"
with zipfile.ZipFile("archive.zip", "w") as archive:
    archive.writestr("zipped.py", "def answer():\n    return __name__\n")
sys.path.insert(0, "archive.zip")
import zipped

assert zipped.answer() == "zipped" and "archive.zip" in zipped.__file__
open("script.py", "w").write("RESULT = __name__\n")
assert runpy.run_path("script.py", run_name="ran")["RESULT"] == "ran"
try:
    import package.missing
except ModuleNotFoundError as error:
    print(error)
open("broken.py", "w").write("def (\n")
try:
    import broken
except SyntaxError as error:
    print(error.filename.endswith("broken.py"), error.lineno)
assert importlib.metadata.version("numpy") and __name__ == "__main__" and sys.modules["__main__"].__file__ == __file__
made = types.ModuleType("made")
exec("x = 5", made.__dict__)
assert made.x == 5 and builtins.len([1]) == 1
print("works")

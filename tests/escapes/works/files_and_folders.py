# Attempts: nothing hostile: temporary files, paths, walks, copies, CSV, JSON and their errors.
# Expect: completed works
import configparser
import csv
import fnmatch
import glob
import io
import json
import os
import pathlib
import shutil
import stat
import tempfile

with tempfile.TemporaryDirectory() as folder:
    root = pathlib.Path(folder)
    for number in range(30):
        (root / f"part{number % 3}").mkdir(exist_ok=True)
        (root / f"part{number % 3}" / f"{number}.txt").write_text(f"é {number}\n", encoding="utf-8")
    assert len(list(root.rglob("*.txt"))) == len(glob.glob(f"{folder}/**/*.txt", recursive=True)) == 30
    assert sum(len(files) for _, _, files in os.walk(folder)) == 30
    shutil.copytree(root / "part0", root / "copy")
    os.symlink(root / "copy", root / "link")
    assert (root / "link" / "0.txt").read_text() == "é 0\n" and (root / "link").is_symlink()
    (root / "copy" / "0.txt").chmod(0o400)
    assert stat.S_IMODE(os.stat(root / "copy" / "0.txt").st_mode) == 0o400
    os.replace(root / "copy" / "3.txt", root / "moved")
    assert sorted(fnmatch.filter(os.listdir(folder), "par*")) == ["part0", "part1", "part2"]
    with os.scandir(folder) as entries:
        assert sum(entry.is_dir(follow_symlinks=False) for entry in entries) == 4
    os.utime(root / "moved", (1, 2))
    assert os.stat(root / "moved").st_mtime == 2
assert not os.path.exists(folder)
with tempfile.SpooledTemporaryFile(100) as spool:
    spool.write(b"x" * 1000)
    spool.seek(0)
    assert len(spool.read()) == 1000
descriptor, name = tempfile.mkstemp(suffix=".bin")
os.pwrite(descriptor, b"abc", 5)
assert os.fstat(descriptor).st_size == 8
os.close(descriptor)
buffer = io.StringIO()
writer = csv.DictWriter(buffer, ["a", "b"], dialect="excel-tab")
writer.writeheader()
writer.writerow({"a": 'with "quotes"', "b": "two\nlines"})
assert list(csv.DictReader(io.StringIO(buffer.getvalue()), dialect="excel-tab"))[0]["b"] == "two\nlines"
assert csv.Sniffer().sniff("a;b\n1;2\n").delimiter == ";"
document = {"é": [1, 2.5, None, True, "\u2028"], "n": 10**20}
assert json.loads(json.dumps(document)) == document
print(json.dumps(document, sort_keys=True, indent=1))
try:
    json.loads('{"a": 1,}')
except json.JSONDecodeError as error:
    print(error.lineno, error.colno)
parser = configparser.ConfigParser()
parser.read_string("[part]\nkey = value\n")
assert parser["part"]["key"] == "value"
for action, kind in (
    (lambda: open("missing"), FileNotFoundError), (lambda: os.rmdir("/code"), OSError), (lambda: open("/code"), IsADirectoryError),
    (lambda: os.listdir(__file__), NotADirectoryError), (lambda: os.mkdir("/code"), FileExistsError),
):
    try:
        action()
        raise SystemExit("it worked")
    except kind:
        pass
print("works")

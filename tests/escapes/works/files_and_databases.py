# Attempts: nothing hostile: temporary files, maps, archives, SQLite.
# Expect: completed works
import csv
import mmap
import os
import shutil
import sqlite3
import tempfile
import zipfile

with tempfile.NamedTemporaryFile() as file:
    file.write(b"x")
    file.flush()
    assert os.path.getsize(file.name) == 1
folder = tempfile.mkdtemp()
with open(f"{folder}/a", "w", newline="") as file:
    csv.writer(file).writerow(["a", 1])
os.rename(f"{folder}/a", f"{folder}/b")
with zipfile.ZipFile(f"{folder}/c.zip", "w") as archive:
    archive.write(f"{folder}/b")
shutil.rmtree(folder)
database = sqlite3.connect("/code/table.db")
database.execute("create table pairs(a, b)")
database.execute("insert into pairs values (1, 2)")
database.commit()
assert database.execute("select sum(a + b) from pairs").fetchone() == (3,)
memory = mmap.mmap(-1, 4096)
memory[:1] = b"x"
assert len(os.urandom(8)) == 8
with open("/dev/null", "w") as file:
    file.write("x")
print("works")

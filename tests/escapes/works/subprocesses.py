# Attempts: nothing hostile: a child interpreter and a pool of processes.
# Expect: completed works
import multiprocessing
import subprocess
import sys

answer = subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, timeout=20)
assert answer.stdout.strip() == b"1", answer
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(abs, [-1, -2]) == [1, 2]
print("works")

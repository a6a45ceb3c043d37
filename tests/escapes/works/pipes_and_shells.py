# Attempts: nothing hostile: pipes between subprocesses, a shell, time-outs and exit statuses.
# Expect: completed works
import os
import subprocess
import sys

python = [sys.executable, "-c"]
upper = python + ["import sys\nfor line in sys.stdin: print(line.strip().upper())"]
first = subprocess.Popen(python + ["print('a\\nb')"], stdout=subprocess.PIPE)
second = subprocess.Popen(upper, stdin=first.stdout, stdout=subprocess.PIPE, text=True)
first.stdout.close()
assert second.communicate(timeout=20)[0] == "A\nB\n" and first.wait(5) == 0
large = subprocess.run(upper, input="x" * 500_000, capture_output=True, text=True, timeout=20)
assert len(large.stdout) == 500_001
shell = subprocess.run("echo one; exit 3", shell=True, capture_output=True, text=True)
assert (shell.stdout, shell.returncode) == ("one\n", 3)
assert os.system("exit 5") >> 8 == 5
assert os.popen("echo $HOME").read() == "/code\n"
try:
    subprocess.run(python + ["import time; time.sleep(20)"], timeout=0.3)
except subprocess.TimeoutExpired as error:
    print(type(error).__name__)
try:
    subprocess.run(["/no/such/program"])
except FileNotFoundError as error:
    print(error)
try:
    subprocess.check_output(python + ["raise SystemExit(4)"])
except subprocess.CalledProcessError as error:
    print(error.returncode)
killed = subprocess.Popen(python + ["import time; time.sleep(20)"])
killed.kill()
assert killed.wait(5) == -9
own = subprocess.run(python + ["import os; print(os.environ['A'])"], env=dict(os.environ, A="1"), capture_output=True, text=True)
assert own.stdout == "1\n", own
print("works")

# Attempts: flood the collector with files.
# Expect: completed
# Artifacts: count <= 20
# Within: 20000
import os

try:
    for number in range(200_000):
        os.close(os.open(f"output/{number}", os.O_CREAT | os.O_WRONLY))
except OSError:
    pass

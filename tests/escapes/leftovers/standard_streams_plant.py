# Attempts: leave standard streams set to another mode behind.
# Expect: completed
# Pair: plant standard_streams
import os
import sys

os.set_blocking(1, False)
os.set_blocking(2, False)
sys.stdout.reconfigure(encoding="utf-16", errors="ignore")

# Attempts: leave changed process state behind.
# Expect: completed
# Pair: plant process_state
import os
import signal
import sys
import warnings

os.environ["PLANTED"] = "1"
os.chdir("/")
os.umask(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sys.setrecursionlimit(777)
warnings.filterwarnings("error", "planted")
os.nice(19)

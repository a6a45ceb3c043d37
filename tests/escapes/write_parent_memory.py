# Attempts: open the memory of its parent or of process 1 for writing.
# Expect: completed safe
import json
import os

opened = []
for pid in {os.getppid(), 1} - {0, os.getpid()}:
    for name in ("mem", "clear_refs", "oom_score_adj", "timerslack_ns", "coredump_filter"):
        try:
            os.close(os.open(f"/proc/{pid}/{name}", os.O_WRONLY))
            opened.append(f"{pid}/{name}")
        except OSError:
            pass
print(json.dumps({"escaped": bool(opened), "opened": opened}))

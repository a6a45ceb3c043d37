# Attempts: find blocked signals and handlers of an earlier run.
# Expect: completed safe
# Pair: check signal_masks x6
import json
import signal

found = signal.pthread_sigmask(signal.SIG_BLOCK, []) or signal.getsignal(signal.SIGUSR1) not in (signal.SIG_DFL, None)

print(json.dumps({"escaped": bool(found)}))

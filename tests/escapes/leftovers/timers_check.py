# Attempts: find running timers of an earlier run.
# Expect: completed safe
# Pair: check timers x6
import json
import signal

found = [timer for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF) if signal.getitimer(timer)[0] > 60]

print(json.dumps({"escaped": bool(found)}))

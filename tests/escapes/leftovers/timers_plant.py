# Attempts: leave running timers behind.
# Expect: completed
# Pair: plant timers
import signal

for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
    signal.setitimer(timer, 3600)

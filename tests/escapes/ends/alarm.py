# Attempts: nothing hostile: an alarm without a handler.
# Expect: crashed signal 14
import signal

signal.setitimer(signal.ITIMER_REAL, 0.1)
signal.pause()

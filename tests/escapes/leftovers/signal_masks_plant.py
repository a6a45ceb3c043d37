# Attempts: leave blocked signals and handlers behind.
# Expect: completed
# Pair: plant signal_masks
import signal

signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
signal.signal(signal.SIGUSR1, lambda *_: None)
signal.siginterrupt(signal.SIGUSR2, False)

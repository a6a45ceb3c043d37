# Attempts: nothing hostile: handlers, alarms, masks, waiting for signals, and a sleep that goes on.
# Expect: completed works
import os
import select
import signal
import threading
import time

seen = []
for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
    signal.signal(number, lambda number, frame: seen.append((number, frame is not None)))
for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP):
    os.kill(os.getpid(), number)
assert [number for number, frame in seen] == [signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP]
assert all(frame for _, frame in seen)


def too_late(*_):
    raise TimeoutError("too late")


signal.signal(signal.SIGALRM, too_late)
signal.setitimer(signal.ITIMER_REAL, 0.1)
try:
    while True:
        sum(range(1000))
except TimeoutError as error:
    print(error)
signal.setitimer(signal.ITIMER_REAL, 0.05)
try:
    time.sleep(5)
except TimeoutError:
    print("woken")
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
signal.raise_signal(signal.SIGUSR1)
assert signal.SIGUSR1 in signal.sigpending() and len(seen) == 3
assert signal.sigwait([signal.SIGUSR1]) == signal.SIGUSR1
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
reader, writer = os.pipe()
os.set_blocking(writer, False)
old = signal.set_wakeup_fd(writer)
signal.raise_signal(signal.SIGUSR2)
assert select.select([reader], [], [], 5)[0] and os.read(reader, 1) == bytes([signal.SIGUSR2])
signal.set_wakeup_fd(old)
# A signal with a handler that does not raise does not cut a sleep short.
threading.Timer(0.05, signal.pthread_kill, [threading.main_thread().ident, signal.SIGUSR1]).start()
before = time.monotonic()
time.sleep(0.3)
assert time.monotonic() - before >= 0.3 and seen[-1][0] == signal.SIGUSR1
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
print("works")

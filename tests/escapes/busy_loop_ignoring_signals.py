# Attempts: outlive its wall limit in a loop with every signal ignored.
# Expect: limit_exceeded wall
# Limits: wall_ms=1500
# Within: 6000
import signal

for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    pass

# Attempts: nothing hostile: a sleep beyond the wall limit.
# Expect: limit_exceeded wall
# Limits: wall_ms=1000
# Within: 5000
import time

time.sleep(60)

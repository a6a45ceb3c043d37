# Attempts: nothing hostile: an uncaught KeyboardInterrupt.
# Expect: raised KeyboardInterrupt
raise KeyboardInterrupt

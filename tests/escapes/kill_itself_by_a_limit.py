# Attempts: look like a kill from outside by its own hard limit of CPU time.
# Expect: crashed signal 9
import resource

resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
while True:
    pass

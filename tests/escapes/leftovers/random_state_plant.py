# Attempts: leave a fixed state of the random module behind.
# Expect: completed
# Pair: plant random_state
import random

random.seed(1)
random.random = lambda: 0.5

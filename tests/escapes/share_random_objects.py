# Attempts: predict numbers of a `random.Random` that a library made before the fork.
# Expect: completed
# Repeat: 10 distinct
from sympy.core.random import rng

print(rng.random())

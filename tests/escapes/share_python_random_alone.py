# Attempts: predict another execution's `random` numbers.
# Expect: completed
# Repeat: 10 distinct
import random

print(random.random())

# Attempts: predict numbers of generators that another execution makes without a seed.
# Expect: completed
# Repeat: 10 distinct
import random

import numpy

print(numpy.random.default_rng().random(), numpy.random.RandomState().rand(), random.Random().random())

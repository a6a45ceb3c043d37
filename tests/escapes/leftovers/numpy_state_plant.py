# Attempts: leave changed numpy state behind.
# Expect: completed
# Pair: plant numpy_state
import numpy

numpy.random.seed(1)
numpy.set_printoptions(precision=1)
numpy.seterr(all="raise")
numpy.planted = 1
numpy.pi = 3

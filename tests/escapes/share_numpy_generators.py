# Attempts: predict numbers of a numpy generator that a library made before the fork.
# Expect: completed
# Repeat: 10 distinct
import numpy
from sklearn.ensemble._hist_gradient_boosting.grower import TreeGrower

# It is a default argument; where a release of the library has none, a new one stands in.
made_before = [one for one in TreeGrower.__init__.__defaults__ if isinstance(one, numpy.random.Generator)]
print((made_before or [numpy.random.default_rng()])[0].random())

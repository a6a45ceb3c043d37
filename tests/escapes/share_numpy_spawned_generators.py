# Attempts: predict a generator that is spawned from one made before the fork.
# Expect: completed
# Repeat: 10 distinct
import numpy
from sklearn.ensemble._hist_gradient_boosting.grower import TreeGrower

made_before = [one for one in TreeGrower.__init__.__defaults__ if isinstance(one, numpy.random.Generator)]
generator = (made_before or [numpy.random.default_rng()])[0]
bits = generator.bit_generator
sequence = getattr(bits, "seed_seq", None) or bits._seed_seq
print(numpy.random.default_rng(sequence.spawn(1)[0]).random())

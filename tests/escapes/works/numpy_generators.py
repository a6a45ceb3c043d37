# Attempts: nothing hostile: seeded generators repeat, unseeded ones differ.
# Expect: completed works
import random

import numpy

assert numpy.random.RandomState(7).randint(0, 1000, 5).tolist() == [175, 196, 537, 502, 579]
numpy.random.seed(7)
assert numpy.random.randint(0, 1000, 5).tolist() == [175, 196, 537, 502, 579]
first, second = numpy.random.default_rng(11), numpy.random.default_rng(11)
assert (first.normal(size=100) == second.normal(size=100)).all()
assert numpy.random.default_rng().random() != numpy.random.default_rng().random()
children = numpy.random.SeedSequence(5).spawn(2)
one, two = (numpy.random.default_rng(child).random() for child in children)
assert one != two
for kind in (numpy.random.PCG64, numpy.random.MT19937, numpy.random.Philox, numpy.random.SFC64):
    draws = numpy.random.Generator(kind(1)).random(10_000)
    assert abs(draws.mean() - 0.5) < 0.02, kind
random.seed(7)
print(random.random(), random.sample(range(100), 3), random.choices("abc", k=3))
random.seed()
assert random.random() != random.random()
print("works")

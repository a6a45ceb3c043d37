# Attempts: predict another execution's legacy numpy random numbers.
# Expect: completed
# Repeat: 10 distinct
import numpy

print(float(numpy.random.rand()))

# Attempts: nothing hostile: linear algebra, transforms, saving an array.
# Expect: completed works
import numpy

matrix = numpy.random.default_rng(1).random((300, 300))
assert numpy.allclose(matrix @ numpy.linalg.inv(matrix), numpy.eye(300), atol=1e-6)
numpy.fft.fft(matrix)
numpy.linalg.svd(matrix)
numpy.save("array.npy", matrix)
assert numpy.load("array.npy").shape == (300, 300)
print("works")

# Attempts: nothing hostile: products, decompositions and solutions through BLAS and LAPACK.
# Expect: completed works
import numpy

generator = numpy.random.RandomState(3)
matrix = generator.rand(200, 120)
left, values, right = numpy.linalg.svd(matrix, full_matrices=False)
assert numpy.allclose(left * values @ right, matrix)
triangular = numpy.linalg.qr(matrix)[1]
assert numpy.allclose(triangular.T @ triangular, matrix.T @ matrix)
square = matrix.T @ matrix + numpy.eye(120)
lower = numpy.linalg.cholesky(square)
assert numpy.allclose(lower @ lower.T, square)
eigenvalues, vectors = numpy.linalg.eigh(square)
assert numpy.allclose(square @ vectors, vectors * eigenvalues)
solution = numpy.linalg.solve(square, numpy.ones(120))
assert numpy.allclose(square @ solution, 1)
fitted = numpy.linalg.lstsq(matrix, matrix @ numpy.arange(120.0), rcond=None)[0]
assert numpy.allclose(fitted, numpy.arange(120.0))
sign, logarithm = numpy.linalg.slogdet(square)
assert sign == 1 and numpy.isclose(logarithm, numpy.log(eigenvalues).sum())
for kind in ("float32", "float64", "complex64", "complex128"):
    one = generator.rand(300, 300).astype(kind)
    assert numpy.allclose((one @ one)[7, 9], (one[7] * one[:, 9]).sum(), rtol=1e-4)
try:
    numpy.linalg.inv(numpy.zeros((3, 3)))
except numpy.linalg.LinAlgError as error:
    print(error)
print(round(float(values[0]), 6), round(float(logarithm), 6))
print("works")

# Attempts: nothing hostile: C++ exceptions of extension modules arrive as Python's.
# Expect: completed works
import contourpy
import kiwisolver
import numpy
import scipy.fft
from contourpy import _contourpy

for _ in range(50):
    try:
        # The wrapper would look at the shapes; the native class throws std::invalid_argument.
        _contourpy.Mpl2014ContourGenerator(
            numpy.zeros((2, 2)), numpy.zeros((2, 3)), numpy.zeros((2, 2)), numpy.zeros((0, 0), bool), False, 0, 0
        )
        raise SystemExit("the shapes were accepted")
    except (ValueError, TypeError) as error:
        said = type(error).__name__
print(said)
x = kiwisolver.Variable("x")
solver = kiwisolver.Solver()
solver.addConstraint(x == 1)
try:
    solver.addConstraint(x == 2)
    raise SystemExit("the constraints agree")
except kiwisolver.UnsatisfiableConstraint:
    pass
try:
    solver.removeConstraint(x == 3)
    raise SystemExit("the constraint was there")
except kiwisolver.UnknownConstraint:
    pass
solver.updateVariables()
assert x.value() == 1
try:
    scipy.fft.fft([1.0, 2.0], n=0)
    raise SystemExit("a transform of nothing")
except ValueError as error:
    print(error)
lines = contourpy.contour_generator(z=[[0.0, 1.0], [1.0, 2.0]]).lines(0.5)
print(numpy.round(lines[0], 6).tolist())
print("works")

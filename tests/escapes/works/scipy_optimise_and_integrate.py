# Attempts: nothing hostile: minima, roots, fits, integrals and differential equations.
# Expect: completed works
import numpy
from scipy import integrate, interpolate, linalg, optimize, sparse, spatial, special
from scipy.sparse.linalg import eigsh, spsolve

found = optimize.minimize(optimize.rosen, [1.3, 0.7, 0.8], jac=optimize.rosen_der)
assert found.success and numpy.allclose(found.x, 1, atol=1e-3)
assert abs(optimize.brentq(lambda x: x**3 - 2, 0, 2) - 2 ** (1 / 3)) < 1e-9
(slope, offset), _ = optimize.curve_fit(lambda x, a, b: a * x + b, [0, 1, 2], [1, 3, 5])
assert numpy.allclose([slope, offset], [2, 1])
best = optimize.linprog([-1, -2], A_ub=[[1, 1]], b_ub=[4], bounds=[(0, 3), (0, 3)])
assert best.status == 0 and abs(best.fun + 7) < 1e-9
# QUADPACK and LSODA call back into Python, and out of it by an exception.
value, error = integrate.quad(lambda x: numpy.exp(-(x**2)), -numpy.inf, numpy.inf)
assert abs(value - numpy.sqrt(numpy.pi)) < 1e-7
path = integrate.odeint(lambda y, t: [y[1], -y[0]], [0, 1], numpy.linspace(0, numpy.pi, 20))
assert abs(path[-1][1] + 1) < 1e-5
steps = integrate.solve_ivp(lambda t, y: -y, (0, 1), [1], rtol=1e-8, atol=1e-10)
assert abs(steps.y[0, -1] - numpy.exp(-1)) < 1e-6
try:
    integrate.quad(lambda x: 1 // 0, 0, 1)
except ZeroDivisionError as error:
    print(error)
curve = interpolate.CubicSpline(range(10), numpy.sin(range(10)))
assert abs(curve(4.0) - numpy.sin(4)) < 1e-12
assert abs(special.gamma(5) - 24) < 1e-12 and abs(special.jv(0, 2.404825557695773)) < 1e-12
matrix = sparse.diags([[-1.0] * 99, [2.0] * 100, [-1.0] * 99], [-1, 0, 1], format="csc")
assert numpy.allclose(matrix @ spsolve(matrix, numpy.ones(100)), 1)
largest = eigsh(matrix, k=1, return_eigenvectors=False)
assert numpy.isclose(largest[0], linalg.eigvalsh(matrix.toarray())[-1])
assert len(spatial.ConvexHull(numpy.array([[0, 0], [1, 0], [0, 1], [1, 1], [0.5, 0.5]])).vertices) == 4
print(numpy.round(found.x, 3), round(value, 9), round(float(largest[0]), 9))
print("works")

# Attempts: nothing hostile: symbolic integrals, equations, series and exact numbers.
# Expect: completed works
import sympy

x, y = sympy.symbols("x y")
assert sympy.integrate(sympy.exp(-(x**2)), (x, -sympy.oo, sympy.oo)) == sympy.sqrt(sympy.pi)
assert sympy.diff(sympy.sin(x) ** 2, x).equals(sympy.sin(2 * x))
assert sympy.solve(x**2 - 2, x) == [-sympy.sqrt(2), sympy.sqrt(2)]
assert sympy.solve([x + y - 3, x - y - 1], [x, y]) == {x: 2, y: 1}
assert sympy.limit(sympy.sin(x) / x, x, 0) == 1
assert sympy.factor(x**3 - 1) == (x - 1) * (x**2 + x + 1)
assert sympy.Matrix([[1, 2], [3, 4]]).det() == -2
assert sympy.factorint(600851475143) == {71: 1, 839: 1, 1471: 1, 6857: 1}
print(sympy.series(sympy.cos(x), x, 0, 6), sympy.latex(sympy.Rational(1, 3) * x))
print(sympy.pi.evalf(60))
print(sympy.dsolve(sympy.Function("f")(x).diff(x) - sympy.Function("f")(x)))
print("works")

# Attempts: nothing hostile: exact and inexact numbers, their rounding, their text.
# Expect: completed works
import cmath
import decimal
import fractions
import math
import statistics
import sys
import threading

assert 0.1 + 0.2 == 0.30000000000000004 and repr(0.1) == "0.1" and float("1e309") == math.inf
assert f"{1234567.891:,.2f} {0.00001:g} {255:#x} {3:08b} {0.5:%}" == "1,234,567.89 1e-05 0xff 00000011 50.000000%"
assert math.fsum([0.1] * 10) == 1.0 and math.isclose(math.gamma(6), 120) and math.comb(50, 25) == 126410606437752
assert float.fromhex("0x1.8p3") == 12.0 and (0.1).hex() == "0x1.999999999999ap-4"
assert round(2.5) == 2 and round(-1.5) == -2 and round(2.675, 2) == 2.67
assert math.copysign(1, -0.0) == -1 and math.nextafter(1, 2) > 1 and sys.float_info.dig == 15
assert cmath.isclose(cmath.exp(1j * cmath.pi), -1)
context = decimal.getcontext()
context.prec = 50
print(decimal.Decimal(2).sqrt(), decimal.Decimal(1) / 3)
with decimal.localcontext() as inner:
    inner.prec = 5
    inner.rounding = decimal.ROUND_UP
    print(decimal.Decimal(2) / 3)
other = []
thread = threading.Thread(target=lambda: other.append(decimal.getcontext().prec))
thread.start()
thread.join()
assert other == [28] and context.prec == 50
try:
    decimal.Decimal(1) / 0
except decimal.DivisionByZero:
    pass
assert fractions.Fraction("0.125") + fractions.Fraction(1, 3) == fractions.Fraction(11, 24)
assert statistics.stdev([1, 2, 3, 4]) == 1.2909944487358056
try:
    math.sqrt(-1)
except ValueError:
    pass
try:
    2.0**10_000
except OverflowError as error:
    print(error.args[-1])
print("works")

# Attempts: nothing hostile: numbers of many thousand digits, their roots, powers and text.
# Expect: completed works
import hashlib
import math
import sys

if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(0)
large = math.factorial(3000)
text = str(large)
assert len(text) == 9131 and int(text) == large
assert large % 2999 == 0 and math.isqrt(large) ** 2 <= large < (math.isqrt(large) + 1) ** 2
power = 7**20_000
assert power.bit_length() == 56148 and pow(7, 20_000, 10**9 + 7) == power % (10**9 + 7)
quotient, rest = divmod(power, large)
assert quotient * large + rest == power
assert int.from_bytes(power.to_bytes(7019, "big"), "big") == power
assert pow(3, -1, 1_000_003) * 3 % 1_000_003 == 1 and math.gcd(large, 2**5000) == 2**2993
assert (-power) >> 56_000 == -(power >> 56_000) - 1 and ~power & 1 == 0
assert bin(large).count("1") + bin(large)[2:].count("0") == large.bit_length()
print(hashlib.sha256(text.encode()).hexdigest(), format(power, "x")[:20])
if hasattr(sys, "set_int_max_str_digits"):
    sys.set_int_max_str_digits(4300)
    try:
        str(large)
        raise SystemExit("no limit")
    except ValueError:
        pass
print("works")

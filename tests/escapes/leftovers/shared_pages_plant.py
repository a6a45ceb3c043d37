# Attempts: leave bytes written into pages of the interpreter itself behind.
# Expect: completed
# Pair: plant shared_pages
import ctypes

# Small integers and interned texts live in memory that every fork of a zygote starts with.
number = 201
ctypes.c_uint32.from_address(id(number) + int.__basicsize__).value = 202

# Attempts: hide a failure by closing the report pipe.
# Expect: crashed status 1 | raised ValueError
import os

os.close(3)
raise ValueError("a real failure")

# Attempts: send the report of a failure elsewhere and a forged one to the host.
# Expect: crashed | raised ValueError
# Never: FORGED
import os

os.dup2(3, 10)
os.dup2(os.open("/dev/null", os.O_WRONLY), 3)
os.write(10, bytes(32) + b"\x20\0\0\0" + b'{"end":"completed","FORGED":1   }')
raise ValueError("a real failure")

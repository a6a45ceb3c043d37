# Attempts: nothing hostile: output that is not UTF-8.
# Expect: completed prints end
import sys

sys.stdout.buffer.write(b"\xff\xfe\n")
print("end")

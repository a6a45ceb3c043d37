# Attempts: be killed by the kernel in an exec that fails once the old program is gone.
# Expect: crashed signal 11
# Rootless: raised OSError because memfd_create does not exist where no cgroup counts its memory, and the workdir executes nothing
import os
import struct

machine = 183 if os.uname().machine == "aarch64" else 62
identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
header = struct.pack("<16sHHIQQQIHHHHHH", identity, 2, machine, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0)
# One segment, above all that a process can have.
segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0xFFFF_8000_0000_0000, 0, 0x1000, 0x1000, 0x1000)
program = os.memfd_create("late")
os.write(program, (header + segment).ljust(4096, b"\0"))
os.execve(f"/proc/self/fd/{program}", ["late"], {})

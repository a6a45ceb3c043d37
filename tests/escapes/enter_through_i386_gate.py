# Attempts: call the kernel through the 32-bit gate, where other numbers apply.
# Expect: crashed signal 31 | crashed signal 11 | completed safe
import ctypes
import json
import mmap
import os
import sys

if os.uname().machine != "x86_64":
    print(json.dumps({"escaped": False}))
    sys.exit(0)
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov eax, 20 (getpid); int 0x80; ret
gate = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
print(json.dumps({"escaped": gate() == os.getpid()}))

# Attempts: nothing hostile: writes machine code into memory of its own and calls it.
# Expect: completed works
import ctypes
import mmap
import platform

code = {
    "x86_64": bytes.fromhex("488d04774883c002c3"),  # lea rax, [rdi + rsi*2]; add rax, 2; ret
    "aarch64": bytes.fromhex("0004018b00080091c0035fd6"),  # add x0, x0, x1, lsl #1; add x0, x0, #2; ret
}.get(platform.machine())
if code:
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    function = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long, ctypes.c_long)(
        ctypes.addressof(ctypes.c_char.from_buffer(page))
    )
    assert [function(a, b) for a, b in ((1, 2), (10, 20), (-4, 1))] == [7, 52, 0]
print("works")

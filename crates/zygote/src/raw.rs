//! System calls and registers without libc, for the time in which the zygote's memory is replaced.
//!
//! Nothing here touches `errno`, takes a lock or allocates: between the copy of a page and its
//! replacement any write to it would be lost.

use std::arch::asm;

/// What the kernel answered: a value, or an `errno`.
pub(crate) type Answer = Result<usize, i32>;

/// One system call.
///
/// # Safety
/// As the call itself: pointers among `arguments` must be what it expects.
pub(crate) unsafe fn call(number: libc::c_long, arguments: [usize; 6]) -> Answer {
    let [a, b, c, d, e, f] = arguments;
    let answer: i64;
    // SAFETY: the registers are those of the kernel's calling convention, and it changes no other.
    // Source: syscall(2).
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => answer,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack)
        );
    }
    // Unproven: compiled, never run.
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a.cast_signed() as i64 => answer,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack)
        );
    }
    match answer {
        -4095..0 => Err(i32::try_from(-answer).unwrap_or(libc::EIO)),
        _ => usize::try_from(answer).map_err(|_| libc::EOVERFLOW),
    }
}

/// `pread64` into memory of ours. Returns how many bytes came.
pub(crate) fn read_at(file: i32, buffer: &mut [u8], offset: usize) -> Answer {
    let file = usize::try_from(file).map_err(|_| libc::EBADF)?;
    let arguments = [file, buffer.as_mut_ptr().addr(), buffer.len(), offset, 0, 0];
    // SAFETY: the buffer is ours and its length is given.
    unsafe { call(libc::SYS_pread64, arguments) }
}

/// `pwrite64` from memory of ours. Returns how many bytes went.
pub(crate) fn write_at(file: i32, bytes: &[u8], offset: usize) -> Answer {
    let file = usize::try_from(file).map_err(|_| libc::EBADF)?;
    let arguments = [file, bytes.as_ptr().addr(), bytes.len(), offset, 0, 0];
    // SAFETY: the bytes are ours and their length is given.
    unsafe { call(libc::SYS_pwrite64, arguments) }
}

/// Says a last word on stderr and ends the process.
pub(crate) fn abandon(words: &[u8], status: usize) -> ! {
    // SAFETY: the bytes are ours and their length is given.
    let _ = unsafe {
        call(
            libc::SYS_write,
            [2, words.as_ptr().addr(), words.len(), 0, 0, 0],
        )
    };
    loop {
        // SAFETY: takes an integer and never returns.
        let _ = unsafe { call(libc::SYS_exit_group, [status, 0, 0, 0, 0, 0]) };
    }
}

/// An address in this thread's static TLS block, where the kernel writes by itself (rseq).
pub(crate) fn thread_pointer() -> usize {
    let pointer: usize;
    // SAFETY: reads one word. The ABI keeps the block's own address there. Source: the x86_64
    // psABI's "TLS", `tcbhead_t` in glibc.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        asm!("mov {}, qword ptr fs:[0]", out(reg) pointer, options(nostack, readonly, preserves_flags));
    }
    // Unproven: compiled, never run.
    // SAFETY: reads a register.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        asm!("mrs {}, tpidr_el0", out(reg) pointer, options(nomem, nostack, preserves_flags));
    }
    pointer
}

//! A second process in this process's memory, without a stack.
//!
//! Mechanism only: who it becomes is said by the calls it is given (`confine::holder`).

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{check, check_long};

/// One system call that the new process makes; every one must answer 0.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    number: i64,
    arguments: [usize; 4],
}

impl Call {
    pub(crate) fn new(number: libc::c_long, arguments: [usize; 4]) -> Self {
        Self { number, arguments }
    }
}

/// What the new process says of its calls.
const WORKED: u32 = 1;
const FAILED: u32 = 2;
/// Its status when one of them failed.
const FAILED_STATUS: u32 = 71;
/// Longest wait for its word.
const PATIENCE: libc::timespec = libc::timespec {
    tv_sec: 20,
    tv_nsec: 0,
};

/// Starts a process that shares this one's memory, makes `calls` in order, and then waits in
/// `ppoll` for ever. Returns when all calls are done.
///
/// It has the caller's stack pointer and never uses it: every signal that can be blocked is, and its
/// code is the few instructions below. Its exit signal is 0, so that `wait` of the caller does not
/// see it.
///
/// Errors: as clone(2); `EPERM` when one of its calls failed, and it has ended then.
/// Source: clone(2), `CLONE_VM`; wait(2), "clone" children.
///
/// # Safety
/// The calls must change nothing of the caller's memory or of what both share.
pub(crate) unsafe fn start(calls: &[Call]) -> io::Result<()> {
    let word = AtomicU32::new(0);
    let before = block_signals()?;
    // SAFETY: signals are blocked, and calls and word outlive the new process's use of them: this
    // function does not return before its word.
    let started = unsafe { clone_and_call(calls, &word) };
    let told = if started < 0 {
        let errno = i32::try_from(-started).unwrap_or(libc::EINVAL);
        Err(io::Error::from_raw_os_error(errno))
    } else {
        await_word(&word)
    };
    // SAFETY: the set is initialised; the kernel only reads it.
    check(unsafe {
        libc::sigprocmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut())
    })?;
    told
}

fn await_word(word: &AtomicU32) -> io::Result<()> {
    let patience = PATIENCE;
    loop {
        match word.load(Ordering::Acquire) {
            WORKED => return Ok(()),
            FAILED => return Err(io::Error::from_raw_os_error(libc::EPERM)),
            _ => {}
        }
        // SAFETY: the word and the timeout outlive the call.
        let waited = check_long(unsafe {
            libc::syscall(
                libc::SYS_futex,
                word.as_ptr(),
                libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
                0,
                &raw const patience,
            )
        });
        match waited {
            Err(error) if error.raw_os_error() != Some(libc::EAGAIN) => return Err(error),
            _ => {}
        }
    }
}

/// Blocks every signal; returns what was blocked before.
fn block_signals() -> io::Result<libc::sigset_t> {
    // SAFETY: a signal set is plain integers.
    let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = unsafe { std::mem::zeroed() };
    // SAFETY: the set is ours.
    check(unsafe { libc::sigfillset(&raw mut all) })?;
    // SAFETY: both sets are initialised and outlive the call.
    check(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const all, &raw mut before) })?;
    Ok(before)
}

/// The caller's part ends behind the first jump. Returns the new process's number, or `-errno`.
///
/// # Safety
/// Every signal is blocked; `calls` and `word` live until the word is not 0.
#[cfg(target_arch = "x86_64")]
unsafe fn clone_and_call(calls: &[Call], word: &AtomicU32) -> i64 {
    let mut result = libc::SYS_clone;
    let range = calls.as_ptr_range();
    // SAFETY: system calls change rax, rcx and r11 only. The new process starts behind the first
    // one with its own registers, and touches no memory but its calls and the word.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 6f",
            "2:",
            "cmp r12, r13",
            "je 3f",
            "mov rax, [r12]",
            "mov rdi, [r12 + 8]",
            "mov rsi, [r12 + 16]",
            "mov rdx, [r12 + 24]",
            "mov r10, [r12 + 32]",
            "add r12, {size}",
            "syscall",
            "test rax, rax",
            "jz 2b",
            "mov r15d, {failed}",
            "3:",
            "mov dword ptr [r14], r15d",
            "mov eax, {futex}",
            "mov rdi, r14",
            "mov esi, {wake}",
            "mov edx, 1",
            "syscall",
            "cmp r15d, {failed}",
            "je 5f",
            "4:",
            "mov eax, {ppoll}",
            "xor edi, edi",
            "xor esi, esi",
            "xor edx, edx",
            "xor r10d, r10d",
            "syscall",
            "jmp 4b",
            "5:",
            "mov eax, {exit}",
            "mov edi, {status}",
            "syscall",
            "jmp 5b",
            "6:",
            size = const size_of::<Call>(),
            failed = const FAILED,
            futex = const libc::SYS_futex,
            wake = const libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            ppoll = const libc::SYS_ppoll,
            exit = const libc::SYS_exit_group,
            status = const FAILED_STATUS,
            inlateout("rax") result,
            in("rdi") i64::from(libc::CLONE_VM),
            in("rsi") 0_i64,
            in("rdx") 0_i64,
            in("r10") 0_i64,
            in("r8") 0_i64,
            in("r12") range.start,
            in("r13") range.end,
            in("r14") word.as_ptr(),
            in("r15") i64::from(WORKED),
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// As for x86_64. Unproven: compiled, never run.
///
/// # Safety
/// As for x86_64.
#[cfg(target_arch = "aarch64")]
unsafe fn clone_and_call(calls: &[Call], word: &AtomicU32) -> i64 {
    let mut result = i64::from(libc::CLONE_VM);
    let range = calls.as_ptr_range();
    // SAFETY: as for x86_64; system calls change x0 only.
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 6f",
            "2:",
            "cmp x9, x10",
            "b.eq 3f",
            "ldr x8, [x9]",
            "ldr x0, [x9, 8]",
            "ldr x1, [x9, 16]",
            "ldr x2, [x9, 24]",
            "ldr x3, [x9, 32]",
            "add x9, x9, {size}",
            "svc 0",
            "cbz x0, 2b",
            "mov w12, {failed}",
            "3:",
            "stlr w12, [x11]",
            "mov x8, {futex}",
            "mov x0, x11",
            "mov x1, {wake}",
            "mov x2, 1",
            "svc 0",
            "cmp w12, {failed}",
            "b.eq 5f",
            "4:",
            "mov x8, {ppoll}",
            "mov x0, 0",
            "mov x1, 0",
            "mov x2, 0",
            "mov x3, 0",
            "svc 0",
            "b 4b",
            "5:",
            "mov x8, {exit}",
            "mov x0, {status}",
            "svc 0",
            "b 5b",
            "6:",
            size = const size_of::<Call>(),
            failed = const FAILED,
            futex = const libc::SYS_futex,
            wake = const libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            ppoll = const libc::SYS_ppoll,
            exit = const libc::SYS_exit_group,
            status = const FAILED_STATUS,
            inlateout("x0") result,
            in("x1") 0_i64,
            in("x2") 0_i64,
            in("x3") 0_i64,
            in("x4") 0_i64,
            in("x8") libc::SYS_clone,
            in("x9") range.start,
            in("x10") range.end,
            in("x11") word.as_ptr(),
            in("x12") i64::from(WORKED),
        );
    }
    result
}

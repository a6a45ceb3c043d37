//! One thin function per system call. No policy here.
//!
//! Everything is async-signal-safe unless its line says otherwise: no allocation, no locks, errors
//! by `errno` alone. `unsafe` is legitimate in this folder and nowhere else in the crate.
#![expect(
    unsafe_code,
    reason = "the fence for system calls; every block says why it is sound"
)]

pub mod fd;
pub(crate) mod holder;
pub mod identity;
pub mod landlock;
pub mod listener;
pub mod memory;
pub mod mount;
pub mod process;
pub mod socket;

use std::ffi::CStr;
use std::io;

/// Turns the `-1` of a libc wrapper into its `errno`.
pub(crate) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Turns the `-1` of `syscall(2)` into its `errno`.
pub(crate) fn check_long(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// The `errno` in an error of this module, or `EIO` where there is none.
#[must_use]
pub fn errno_of(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// A pointer for an optional C string.
pub(crate) fn pointer(text: Option<&CStr>) -> *const libc::c_char {
    text.map_or(std::ptr::null(), CStr::as_ptr)
}

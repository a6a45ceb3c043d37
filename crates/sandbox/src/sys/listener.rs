//! The host's side of a filter that announces calls: each waits until it is let through.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{check, fd};

/// A call that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced(u64);

/// What the kernel fills, and room for what a later kernel may add to it.
#[repr(C)]
struct Room {
    notice: libc::seccomp_notif,
    spare: [u64; 32],
}

/// Takes the next call that waits; `None` when none does. Never blocks.
///
/// Errors: `BrokenPipe` when nobody under this filter is left. One thread may ask at a time.
/// Source: seccomp_unotify(2).
pub fn next(listener: BorrowedFd<'_>) -> io::Result<Option<Announced>> {
    let [has] = fd::poll([listener], 0)?;
    if has & libc::POLLIN == 0 {
        let gone = has & (libc::POLLHUP | libc::POLLERR) != 0;
        return if gone {
            Err(io::ErrorKind::BrokenPipe.into())
        } else {
            Ok(None)
        };
    }
    // SAFETY: plain integers; the kernel wants zeroes.
    let mut room: Room = unsafe { std::mem::zeroed() };
    // SAFETY: `room` has room for what the kernel writes.
    let taken = check(unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_RECV,
            &raw mut room,
        )
    });
    match taken {
        Ok(_) => Ok(Some(Announced(room.notice.id))),
        // Whoever waited has been killed, or a signal has called it away, in this moment.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINTR)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Lets a call happen, as it was announced: its arguments are in registers, which stay.
///
/// Errors: `ENOENT` when who waited is gone.
pub fn let_through(listener: BorrowedFd<'_>, call: Announced) -> io::Result<()> {
    let answer = libc::seccomp_notif_resp {
        id: call.0,
        val: 0,
        error: 0,
        flags: u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or(1),
    };
    // SAFETY: the kernel reads one answer, which outlives the call.
    check(unsafe {
        libc::ioctl(
            listener.as_raw_fd(),
            libc::SECCOMP_IOCTL_NOTIF_SEND,
            &raw const answer,
        )
    })?;
    Ok(())
}

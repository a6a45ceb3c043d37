//! The guest's descriptor table: 0-3 for it, 4 for the runner, 5 until the lease, nothing else.
#![expect(
    unsafe_code,
    reason = "borrows descriptors 4 and 5 by the numbers they were given here"
)]

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::Descriptors;
use crate::sys::fd;

/// The request pipe's number.
const REQUEST: i32 = 4;
/// The status socket's number until the child is ready.
const STATUS: i32 = 5;

/// The first of those that only the supervisor keeps.
const LEAVING: i32 = 6;

/// Gives every descriptor its final number and closes all others but `leaving`, which come back.
pub(super) fn arrange(
    given: Descriptors,
    status: BorrowedFd<'_>,
    leaving: [OwnedFd; 2],
) -> io::Result<[OwnedFd; 2]> {
    // Copies high up first, so that no move overwrites a source that is still needed.
    let high = |low: OwnedFd| fd::duplicate_above(std::os::fd::AsFd::as_fd(&low), 128);
    let stdin = high(given.stdin)?;
    let stdout = high(given.stdout)?;
    let stderr = high(given.stderr)?;
    let report = high(given.report)?;
    let request = high(given.request)?;
    let status = fd::duplicate_above(status, 128)?;
    let [first, second] = leaving;
    let (first, second) = (high(first)?, high(second)?);
    drop((given.status, given.procs));
    for (source, number) in [
        (stdin, 0),
        (stdout, 1),
        (stderr, 2),
        (report, 3),
        (request, REQUEST),
        (status, STATUS),
        (first, LEAVING),
        (second, LEAVING + 1),
    ] {
        fd::move_to(source, number)?;
    }
    fd::close_from(8)?;
    Ok([fd::adopt(LEAVING)?, fd::adopt(LEAVING + 1)?])
}

/// Lends the status socket.
pub(super) fn with_status<T>(action: impl FnOnce(BorrowedFd<'_>) -> T) -> T {
    // SAFETY: `arrange` has put it there, and only `take_status` closes it, later.
    action(unsafe { BorrowedFd::borrow_raw(STATUS) })
}

/// Takes the status socket, which is closed when it is dropped.
pub(super) fn take_status() -> io::Result<OwnedFd> {
    fd::adopt(STATUS)
}

/// Lends the request pipe.
pub(super) fn with_request<T>(action: impl FnOnce(BorrowedFd<'_>) -> T) -> T {
    // SAFETY: `arrange` has put the request pipe there and nothing closes it before the runner.
    action(unsafe { BorrowedFd::borrow_raw(REQUEST) })
}

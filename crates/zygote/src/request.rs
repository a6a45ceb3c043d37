//! The request as a child takes it, natively where it is nothing but a source.
//!
//! Most are, and a few lines of native code touch fewer pages than the same in Python.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use sandbox::sys::fd;

/// The request pipe's number, given by `confine`.
const REQUEST: i32 = 4;
/// Four `u32`: bytes of the source, arguments, files, the place of the last expression.
/// Source: `encode_request` in crates/wire.
const COUNTS: usize = 16;

/// Makes `main.py`, which needs no request: nobody waits yet.
pub(crate) fn make_file() -> io::Result<OwnedFd> {
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC;
    fd::open_at(None, c"main.py", flags, 0o644)
}

/// Reads the counts into `room`; if there are neither arguments nor files and the source has room,
/// reads it there instead, writes it to `file` and closes the pipe.
///
/// Returns the length of the source and the place of its last expression, or `None` when the rest is
/// still to be read.
pub(crate) fn take(room: &mut [u8], file: &OwnedFd) -> io::Result<Option<(u32, u32)>> {
    let pipe = fd::adopt(REQUEST)?;
    let (counts, _) = room
        .split_at_mut_checked(COUNTS)
        .ok_or(io::ErrorKind::InvalidInput)?;
    fd::read_exact(pipe.as_fd(), counts)?;
    let number = |index: usize| {
        counts[4 * index..]
            .first_chunk()
            .copied()
            .map(u32::from_le_bytes)
    };
    let others = (number(1), number(2));
    let told = number(0).zip(number(3));
    let Some((length, place)) =
        told.filter(|(length, _)| others == (Some(0), Some(0)) && *length as usize <= room.len())
    else {
        // The runner goes on reading, and closes it.
        let _ = std::os::fd::IntoRawFd::into_raw_fd(pipe);
        return Ok(None);
    };
    let source = &mut room[..length as usize];
    fd::read_exact(pipe.as_fd(), source)?;
    drop(pipe);
    fd::write_all(file.as_fd(), source)?;
    Ok(Some((length, place)))
}

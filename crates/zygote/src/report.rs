//! The one report of a child, on the pipe that the supervisor reads.

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::AsFd;

use sandbox::sys::fd;

/// The report pipe's number, given by `confine`.
const REPORT: i32 = 3;
/// Reports up to this length go out in one write: every write wakes the supervisor.
const SMALL: usize = 988;

/// Writes nonce, `u32` little-endian length and `json`.
pub(crate) fn write(nonce: &[u8; 32], json: &[u8]) -> io::Result<()> {
    let length = u32::try_from(json.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let pipe = ManuallyDrop::new(fd::adopt(REPORT)?);
    let mut head = [0; 36 + SMALL];
    head[..32].copy_from_slice(nonce);
    head[32..36].copy_from_slice(&length.to_le_bytes());
    let (first, rest) = json.split_at(json.len().min(SMALL));
    let end = 36 + first.len();
    head[36..end].copy_from_slice(first);
    fd::write_all(pipe.as_fd(), &head[..end])?;
    fd::write_all(pipe.as_fd(), rest)
}
